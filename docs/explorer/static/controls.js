// What a reader can move. Each control has the default of the library, and puts a number into the
// wishes that `explorer.clusters` takes.
"use strict";

explorer.shown = (number) => number.toLocaleString("en", { maximumSignificantDigits: 4 });

explorer.wishes = (table) => ({
  rate: 60,
  goal: "usdPerHour",
  scales: Object.fromEntries(Object.keys(table.limits).map((metric) => [metric, 1])),
  machines: structuredClone(table.machines),
  budgets: {},
});

// A slider's number is `value`; `put` turns it into a wish and returns what is shown of it.
explorer.controls = (table) => {
  const { shown } = explorer;
  const last = table.rates.length - 1;
  const rate = {
    id: "rate",
    label: "arrival rate",
    ...{ min: table.rates[0], max: table.rates[last], step: table.rates[1] - table.rates[0] },
    value: explorer.wishes(table).rate,
    put: (wishes, value) => `${(wishes.rate = value)} requests/s`,
  };
  const limits = Object.entries(table.limits).map(([metric, [, p90]]) => ({
    id: metric,
    label: `${metric.split("_")[0].toUpperCase()} limits`,
    ...{ min: -0.75, max: 2, step: 0.25, value: 0 },
    put: (wishes, value) => {
      const scale = (wishes.scales[metric] = 2 ** value);
      return `× ${shown(scale)} (P90 slowdown < ${shown(p90 * scale)})`;
    },
  }));
  const machines = Object.entries(table.machines).flatMap(([name, { usdPerHour, powerW }]) => [
    {
      id: `${name}-price`,
      label: `price of a ${name}`,
      ...{ min: -2, max: 2, step: 0.05, value: 0 },
      put: (wishes, value) => {
        wishes.machines[name].usdPerHour = usdPerHour * 2 ** value;
        return `${shown(wishes.machines[name].usdPerHour)} $/h`;
      },
    },
    {
      id: `${name}-power`,
      label: `power of a ${name}`,
      ...{ min: -1, max: 1, step: 0.05, value: 0 },
      put: (wishes, value) => {
        wishes.machines[name].powerW = powerW * 2 ** value;
        return `${shown(wishes.machines[name].powerW / 1e3)} kW`;
      },
    },
  ]);
  const budgets = [
    { id: "budget-cost", of: "usdPerHour", unit: "$/h", scale: 1, min: 40, max: 3600, step: 40 },
    { id: "budget-power", of: "powerW", unit: "kW", scale: 1e3, min: 8, max: 912, step: 8 },
  ].map(({ of, unit, scale, ...slider }) => ({
    ...slider,
    label: of === "powerW" ? "power budget" : "cost budget",
    value: slider.max,
    put: (wishes, value) => {
      wishes.budgets[of] = value < slider.max ? value * scale : Infinity;
      return value < slider.max ? `${shown(value)} ${unit}` : "none";
    },
  }));
  return [rate, ...limits, ...machines, ...budgets];
};

// Adds a control to the page; `changed` is called whenever the reader moves it.
explorer.slider = (place, { id, label, min, max, step, value, put }, wishes, changed) => {
  const line = document.createElement("label");
  const told = document.createElement("output");
  const input = Object.assign(document.createElement("input"), { type: "range", id, min, max, step, value });
  const update = () => (told.value = put(wishes, input.valueAsNumber));
  input.addEventListener("input", () => {
    update();
    changed();
  });
  line.append(label, " ", told, input);
  place.append(line);
  update();
};
