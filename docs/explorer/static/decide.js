// From the table and the reader's wishes to the best cluster. Nothing here knows of the page.
"use strict";

// Relative, in budgets, as in splitmodel: 70 DGX-A100 fit the power of 40 DGX-H100.
explorer.SLACK = 1e-6;

// What can be made least; ties go to the one that is next in line.
explorer.GOALS = ["usdPerHour", "powerW", "machines"];

// Every cluster at a rate, with its latencies, cost and power, and whether it is feasible.
//
// wishes: rate [requests/s], scales (factor on the limits of each metric), machines (price [$/h] and
// provisioned power [W] by name), budgets { usdPerHour, powerW }.
explorer.clusters = (table, wishes) => {
  const block = table.blocks[table.rates.indexOf(wishes.rate)];
  const names = Object.keys(table.designs);
  const [design, prompt, token] = [0, 1, 2].map(block.at);
  const percentiles = table.metrics.flatMap((metric, place) =>
    [0, 1, 2].map((rank) => ({ metric, rank, values: block.at(3 + 3 * place + rank) })),
  );
  const limited = percentiles
    .filter(({ metric }) => metric in table.limits)
    .map(({ metric, rank, values }) => ({
      values,
      // Rounded as in the table, where a limit is compared with a float32, strictly.
      limit: Math.fround(table.limits[metric][rank] * wishes.scales[metric]),
    }));
  return Array.from({ length: block.rows }, (_, row) => {
    const name = names[design[row]];
    const counts = [prompt[row], token[row]];
    const sums = explorer.sums(table.designs[name], counts, wishes.machines);
    return {
      design: name,
      prompt: counts[0],
      token: counts[1],
      ...sums,
      usdPerThousandRequests: sums.usdPerHour / (3.6 * wishes.rate),
      meetsLimits: limited.every(({ values, limit }) => values[row] < limit),
      withinBudgets: Object.entries(wishes.budgets).every(
        ([quantity, budget]) => sums[quantity] <= budget * (1 + explorer.SLACK),
      ),
      latencies: percentiles.map(({ values }) => values[row]),
    };
  });
};

// Price, provisioned power and number of all machines of a cluster.
explorer.sums = (pools, counts, machines) => {
  const sum = (each) => pools.reduce((total, pool, place) => total + counts[place] * each(pool), 0);
  return {
    usdPerHour: sum((pool) => machines[pool.machine].usdPerHour),
    powerW: sum((pool) => machines[pool.machine].powerW * pool.cap),
    machines: sum(() => 1),
  };
};

// The best feasible cluster of every design that has one, the best design first.
explorer.ranked = (clusters, goal) => {
  const order = [goal, ...explorer.GOALS.filter((other) => other !== goal)];
  const better = (a, b) => order.map((by) => a[by] - b[by]).find((gap) => gap !== 0) ?? 0;
  const best = new Map();
  for (const each of clusters.filter((one) => one.meetsLimits && one.withinBudgets)) {
    if (!best.has(each.design) || better(each, best.get(each.design)) < 0) {
      best.set(each.design, each);
    }
  }
  return [...best.values()].sort(better);
};
