// The interactive page: wishes in, the best cluster and the feasible region out.
"use strict";

explorer.find = (id) => document.getElementById(`explorer-${id}`);

explorer.quantity = (cluster, of) => {
  const { unit, scale } = explorer.LABELS[of];
  return `${explorer.shown(cluster[of] * scale)} ${unit}`;
};

explorer.split = ({ prompt, token }) =>
  token ? `${prompt} prompt + ${token} token machines` : `${prompt} machines`;

// A cell of a table. `data-value` has all digits, for those who want to compare.
explorer.cell = (text, value, tag = "td") => {
  const cell = Object.assign(document.createElement(tag), { textContent: text });
  if (value !== undefined) cell.dataset.value = value;
  return cell;
};

explorer.fill = (id, rows) => {
  const lines = rows.map((cells) => {
    const line = document.createElement("tr");
    line.append(...cells);
    return line;
  });
  explorer.find(id).replaceChildren(...lines);
};

explorer.showRanking = ({ ranked, chosen }, choose) =>
  explorer.fill(
    "ranking",
    ranked.map((each) => {
      const name = explorer.cell("", undefined, "th");
      const button = Object.assign(document.createElement("button"), { textContent: each.design });
      button.type = "button";
      button.ariaPressed = each === chosen;
      button.addEventListener("click", () => choose(each));
      name.append(button);
      const counts = explorer.cell(each.token ? `${each.prompt} + ${each.token}` : each.prompt);
      const quantities = explorer.GOALS.map((of) =>
        explorer.cell(explorer.shown(each[of] * explorer.LABELS[of].scale), each[of]),
      );
      return [name, counts, ...quantities];
    }),
  );

// Percentiles of the chosen cluster: seconds, and slowdowns beside their limits.
explorer.showLatencies = (table, { chosen }, { scales }) => {
  const seconds = table.metrics.filter((metric) => metric.endsWith("_s"));
  const value = (metric, rank) => chosen.latencies[3 * table.metrics.indexOf(metric) + rank];
  const rows = seconds.map((metric) => {
    const slowdown = metric.replace(/_s$/, "_slowdown");
    const cells = [0, 1, 2].map((rank) => {
      const limit = table.limits[slowdown][rank] * scales[slowdown];
      const [time, ratio] = [value(metric, rank), value(slowdown, rank)];
      if (!Number.isFinite(ratio)) return explorer.cell("no steady state");
      const cell = explorer.cell(`${explorer.shown(time)} s`, time);
      const against = explorer.cell(
        `${explorer.shown(ratio)} of ${explorer.shown(limit)} ×`,
        ratio,
        "small",
      );
      cell.classList.toggle("explorer-missed", !(ratio < Math.fround(limit)));
      cell.append(against);
      return cell;
    });
    return [explorer.cell(metric.split("_")[0].toUpperCase(), undefined, "th"), ...cells];
  });
  explorer.fill("latencies", rows);
};

explorer.command = (table, { design, prompt, token }, { rate }) => {
  const counts = token ? `--prompt ${prompt} --token ${token}` : `--machines ${prompt}`;
  const asked = `--workload ${table.workload} --rate ${rate} --model ${table.model}`;
  return `splitmodel evaluate --design ${design} ${counts} ${asked}`;
};

explorer.sentence = ({ chosen, ranked, goal }) => {
  if (!chosen) return "No cluster of the table is feasible: relax a limit or a budget, or lower the rate.";
  const sums = explorer.GOALS.map((of) => explorer.quantity(chosen, of)).join(", ");
  const cost = `${explorer.shown(chosen.usdPerThousandRequests)} $ per 1,000 requests`;
  const title = chosen === ranked[0] ? `Least ${explorer.LABELS[goal].name}` : "Chosen";
  return `${title}: ${chosen.design}, ${explorer.split(chosen)}: ${sums}, ${cost}.`;
};

explorer.start = async () => {
  const form = explorer.find("controls");
  let [table, wishes, answer] = [];

  const show = () => {
    explorer.find("answer").textContent = explorer.sentence(answer);
    explorer.find("step").textContent = table.steps[table.rates.indexOf(wishes.rate)];
    explorer.showRanking(answer, choose);
    explorer.find("details").hidden = !answer.chosen;
    if (answer.chosen) {
      explorer.showLatencies(table, answer, wishes);
      explorer.find("command").textContent = explorer.command(table, answer.chosen, wishes);
    }
    return explorer.draw(explorer.find("chart"), table, answer);
  };
  const choose = (cluster) => {
    answer.chosen = cluster ?? answer.chosen;
    show();
  };
  const decide = () => {
    const clusters = explorer.clusters(table, wishes);
    const ranked = explorer.ranked(clusters, wishes.goal);
    answer = { clusters, ranked, goal: wishes.goal, chosen: ranked[0] };
    return show();
  };
  const restart = async () => {
    table = await explorer.load(form.elements.workload.value);
    wishes = explorer.wishes(table);
    wishes.goal = form.elements.goal.value;
    explorer.find("sliders").replaceChildren();
    for (const control of explorer.controls(table)) {
      explorer.slider(explorer.find("sliders"), control, wishes, decide);
    }
    await decide();
  };
  form.elements.workload.addEventListener("change", restart);
  form.elements.goal.addEventListener("change", () => {
    wishes.goal = form.elements.goal.value;
    decide();
  });
  form.addEventListener("reset", () => setTimeout(restart));
  await restart();
  explorer.find("chart").on("plotly_click", (event) => choose(explorer.clicked(event, table, answer)));
  // The theme is an attribute of the body, or the system's where that says "auto".
  new MutationObserver(show).observe(document.body, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  explorer.find("page").dataset.ready = "yes";
};

explorer.start().catch((problem) => {
  explorer.find("answer").textContent = `This page cannot be shown: ${problem.message}`;
  throw problem;
});
