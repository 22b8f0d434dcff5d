// A panel for each design with two pools: which clusters are feasible, and the best of them.
"use strict";

explorer.LABELS = {
  usdPerHour: { name: "cost", unit: "$/h", scale: 1 },
  powerW: { name: "provisioned power", unit: "kW", scale: 1e-3 },
  machines: { name: "machines", unit: "machines", scale: 1 },
};

explorer.label = (quantity) => {
  const { name, unit } = explorer.LABELS[quantity];
  return unit === name ? name : `${name} (${unit})`;
};

explorer.splitting = (table) =>
  Object.keys(table.designs).filter((name) => table.designs[name].length > 1);

// Colours of the page's theme, so that a change of theme only needs another drawing.
explorer.theme = (element) => {
  const style = getComputedStyle(element);
  const [ink, misses, beyond, best] = ["foreground", "misses", "beyond", "best"].map((name) =>
    style.getPropertyValue(`--explorer-${name}`).trim(),
  );
  return { ink, misses, beyond, best };
};

explorer.draw = (element, table, answer) => {
  const theme = explorer.theme(element);
  const designs = explorer.splitting(table);
  const layout = explorer.layout(element, designs, answer.goal, theme);
  const traces = designs.flatMap((design, place) => explorer.panel(design, place, answer, theme));
  return Plotly.react(element, traces, layout, { displayModeBar: false, responsive: true });
};

// The cluster that a click has met: panels have equally many traces.
explorer.clicked = ({ points: [point] }, table, { clusters }) => {
  const design = explorer.splitting(table)[Math.floor(point.curveNumber / explorer.TRACES)];
  return clusters.find(
    (each) => each.design === design && each.prompt === point.x && each.token === point.y,
  );
};

explorer.layout = (element, designs, goal, theme) => {
  const rows = Math.ceil(designs.length / 2);
  const domain = (at, count, share) => [at / count, (at + share) / count];
  const narrow = element.clientWidth < 500;
  const [height, below] = [narrow ? 520 : 700, 108];
  const axis = { fixedrange: true, zeroline: false, showgrid: false, ticks: "outside" };
  const layout = {
    height,
    margin: { l: 56, r: 0, t: 0, b: below },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: theme.ink, size: narrow ? 11 : 13 },
    showlegend: false,
    annotations: [],
    coloraxis: {
      colorscale: "Cividis",
      reversescale: true,
      colorbar: {
        ...{ orientation: "h", yanchor: "top", y: -50 / (height - below), ypad: 0 },
        ...{ thickness: 12, outlinewidth: 0 },
        title: { text: explorer.label(goal), side: "bottom" },
      },
    },
  };
  designs.forEach((design, place) => {
    const [column, row, number] = [place % 2, Math.floor(place / 2), place ? place + 1 : ""];
    const title = (text) => ({ text, standoff: 6 });
    layout[`xaxis${number}`] = {
      ...axis,
      domain: domain(column, 2, 0.84),
      anchor: `y${number}`,
      title: title(row === rows - 1 ? "prompt machines" : ""),
    };
    layout[`yaxis${number}`] = {
      ...axis,
      domain: domain(rows - 1 - row, rows, 0.82),
      anchor: `x${number}`,
      title: title(column === 0 ? "token machines" : ""),
    };
    layout.annotations.push({
      text: `<b>${design}</b>`,
      xref: `x${number} domain`,
      yref: `y${number} domain`,
      x: 0.5,
      y: 1,
      yanchor: "bottom",
      showarrow: false,
    });
  });
  return layout;
};

explorer.TRACES = 5;
explorer.panel = (design, place, { clusters, ranked, goal, chosen }, theme) => {
  const number = place ? place + 1 : "";
  const axes = { xaxis: `x${number}`, yaxis: `y${number}` };
  const own = clusters.filter((each) => each.design === design);
  const best = ranked.filter((each) => each.design === design && each !== chosen);
  const plain = (colour) => ({ colorscale: [[0, colour], [1, colour]], showscale: false });
  const edge = { color: "black", width: 1.5 };
  const { scale } = explorer.LABELS[goal];
  const feasible = (each) => each.meetsLimits && each.withinBudgets;
  const dear = (each) => each.meetsLimits && !each.withinBudgets;
  return [
    { ...axes, ...plain(theme.misses), ...explorer.cells(own, (each) => (each.meetsLimits ? null : 1)) },
    { ...axes, ...plain(theme.beyond), ...explorer.cells(own, (each) => (dear(each) ? 1 : null)) },
    {
      ...axes,
      coloraxis: "coloraxis",
      ...explorer.cells(own, (each) => (feasible(each) ? each[goal] * scale : null)),
    },
    { ...axes, ...explorer.marks(best, { symbol: "circle", size: 9, color: "white", line: edge }) },
    {
      ...axes,
      ...explorer.marks(
        chosen?.design === design ? [chosen] : [],
        { symbol: "star", size: 17, color: theme.best, line: edge },
      ),
    },
  ];
};

// Clusters as cells of a grid; those without a value are left out.
explorer.cells = (clusters, value) => {
  const step = Math.min(...clusters.map((each) => each.prompt));
  const place = (count) => Math.round(count / step) - 1;
  const counts = (of) => {
    const most = place(Math.max(...clusters.map((each) => each[of]))) + 1;
    return Array.from({ length: most }, (_, at) => (at + 1) * step);
  };
  const [x, y] = [counts("prompt"), counts("token")];
  const z = y.map(() => x.map(() => null));
  for (const each of clusters) {
    z[place(each.token)][place(each.prompt)] = value(each);
  }
  return { type: "heatmap", x, y, z, hoverinfo: "none" };
};

explorer.marks = (clusters, marker) => ({
  type: "scatter",
  mode: "markers",
  x: clusters.map((each) => each.prompt),
  y: clusters.map((each) => each.token),
  marker,
  hoverinfo: "none",
});
