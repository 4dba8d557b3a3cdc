// Grafana's own code (@grafana/scenes, @grafana/data), asked by tests/dashboards/grafana.py: one JSON request a line on
// standard input, one JSON answer a line on standard output. Run in dashboards/grafana/schema, where npm installs it.
//
//   {"do": "variables", "model": …}               options that Grafana reads out of each custom variable
//   {"do": "ask", "model": …, "from", "to" (ms), "width" (px), "values": {…}}   each panel's queries, ready to be sent
//   {"do": "draw", "panel": …, "answers": [{"refId", "series"}]}                 what the panel shows of InfluxDB's answers
//   {"do": "annotations", "annotation": …, "series": […]}                        the events Grafana makes of an annotation query
'use strict';

const Module = require('node:module');
const path = require('node:path');
const readline = require('node:readline');

// What draws (React components, canvas) is not installed and not needed; whatever is asked of it does nothing.
const nothing = new Proxy(function () {}, {
  get: (target, key) => (key === '__esModule' ? true : key === Symbol.toPrimitive ? () => '' : key === 'prototype' ? target.prototype : nothing),
  apply: () => nothing,
  construct: () => ({}),
});
const DRAWS = /^(@grafana\/(ui|runtime|e2e-selectors|plugin-compat|faro.*)|@floating-ui|@emotion|@tanstack|react-(router|grid|select|use|virtualized)|uplot)/;
const load = Module._load;
Module._load = function (name, ...rest) {
  return DRAWS.test(name) ? nothing : load.call(this, name, ...rest);
};
class Watcher { observe() {} disconnect() {} }
const kept = { getItem: () => null, setItem() {}, removeItem() {} };
Object.assign(globalThis, {
  window: globalThis, addEventListener() {}, removeEventListener() {}, localStorage: kept, sessionStorage: kept,
  location: { origin: 'http://grafana', href: 'http://grafana/', search: '', pathname: '/' },
  IntersectionObserver: Watcher, ResizeObserver: Watcher,
  navigator: { language: 'en-GB', languages: ['en-GB'], userAgent: '' },
  document: { createElement: () => ({ style: {}, setAttribute() {}, appendChild() {} }), documentElement: { style: {} }, addEventListener() {}, querySelector: () => null, head: { appendChild() {} }, body: {} },
});
console.log = console.warn = (...words) => process.stderr.write(words.join(' ') + '\n');

const from = Module.createRequire(path.join(process.cwd(), 'index.js'));
const data = from('@grafana/data');
const scenes = from('@grafana/scenes');
const { firstValueFrom } = from('rxjs');

data.standardTransformersRegistry.setInit(() =>
  [...new Map(Object.values(data.standardTransformers).map((item) => [item.id, item])).values()].map((item) => ({
    id: item.id, name: item.name, transformation: async () => item,
  }))
);
const theme = data.createTheme();

// ---------------------------------------------------------------------------------------------- variables

function variable(model, values) {
  const chosen = values[model.name] ?? model.current?.value ?? '';
  const state = {
    name: model.name, value: chosen, text: chosen, isMulti: model.multi, includeAll: model.includeAll, allValue: model.allValue ?? undefined, options: [],
  };
  if (model.type === 'custom') return new scenes.CustomVariable({ ...state, query: model.query });
  if (model.type === 'query') return new scenes.QueryVariable({ ...state, query: model.query });
  if (model.type === 'textbox') return new scenes.TextBoxVariable({ name: model.name, value: values[model.name] ?? model.query });
  return new scenes.ConstantVariable({ name: model.name, value: chosen });
}

async function variables({ model }) {
  const found = {};
  for (const item of model.templating.list.filter((item) => item.type === 'custom')) {
    const made = variable(item, {});
    await firstValueFrom(made.validateAndUpdate());
    found[item.name] = { options: made.state.options, value: made.state.value };
  }
  return found;
}

// ---------------------------------------------------------------------------------------------- asking

/** How Grafana's InfluxDB source puts a variable's value into InfluxQL. */
function influxValue(query) {
  return (value, asked) => {
    const several = Array.isArray(value);
    if (!several && !isNaN(parseFloat(value))) return value;
    const escaped = several ? `(${value.map(data.escapeRegex).join('|')})` : data.escapeRegex(value);
    if (asked.multi) return escaped;
    const literals = query.match(/[=!]~\s*\/(?:[^/\\]|\\.)+\//g) ?? [];
    return literals.some((literal) => new RegExp(`\\$\\{?${asked.name}\\b`).test(literal)) ? escaped : value;
  };
}

/** $timeFilter, $__interval_ms and $__interval, put in by Grafana's server, in this order. */
function byServer(query, range, interval) {
  return query
    .replaceAll('$timeFilter', `time >= ${range.from.valueOf()}ms and time <= ${range.to.valueOf()}ms`)
    .replaceAll('$__interval_ms', String(interval.intervalMs))
    .replaceAll('$__interval', interval.interval);
}

function scene(model, values) {
  return new scenes.EmbeddedScene({
    $variables: new scenes.SceneVariableSet({ variables: model.templating.list.map((item) => variable(item, values)) }),
    body: new scenes.SceneFlexLayout({ children: [] }),
  });
}

/** A range as a panel has it: its own `timeFrom` begins later and ends with the dashboard's. */
function panelRange(panel, start, end) {
  const back = panel.timeFrom ? data.rangeUtil.intervalToMs(panel.timeFrom) : end - start;
  return { from: data.dateTime(end - back), to: data.dateTime(end) };
}

function flat(panels) {
  return panels.flatMap((panel) => (panel.type === 'row' ? panel.panels ?? [] : [panel]));
}

function ask({ model, from: start, to: end, width, values = {}, timeInterval = '10s' }) {
  const here = scene(model, values);
  const later = { __interval: { value: '$__interval' }, __interval_ms: { value: '$__interval_ms' } };
  const expand = (query, range, interval) =>
    byServer(scenes.sceneGraph.interpolate(here, query, later, influxValue(query)), range, interval);
  const panels = flat(model.panels).filter((panel) => panel.targets?.length).map((panel) => {
    const range = panelRange(panel, start, end);
    const interval = data.rangeUtil.calculateInterval(range, panel.maxDataPoints ?? width, panel.interval || timeInterval);
    const targets = panel.targets.map((target) => ({
      refId: target.refId,
      query: expand(target.query, range, interval),
      alias: scenes.sceneGraph.interpolate(here, target.alias ?? '', later),
    }));
    return { id: panel.id, interval: interval.interval, targets };
  });
  const whole = { from: data.dateTime(start), to: data.dateTime(end) };
  const second = { interval: '1s', intervalMs: 1000 };
  const annotations = model.annotations.list.map((item) => expand(item.target.query, whole, second));
  const queries = Object.fromEntries(
    model.templating.list.filter((item) => item.type === 'query').map((item) => [item.name, expand(item.query, whole, second)])
  );
  return { panels, annotations, queries };
}

// ---------------------------------------------------------------------------------------------- drawing

/** InfluxDB's series as the data frames that Grafana's server makes of them. */
function frames(target, series) {
  const typed = (values) => {
    const first = values.find((value) => value !== null && value !== undefined);
    return typeof first === 'string' ? 'string' : typeof first === 'boolean' ? 'boolean' : 'number';
  };
  const field = (name, values, labels, shown) => ({ name, type: typed(values), values, labels, config: shown ? { displayNameFromDS: shown } : {} });
  const time = (values) => ({ name: 'Time', type: 'time', values, config: {} });
  if (target.resultFormat !== 'table') {
    return series.flatMap((one) =>
      one.columns.slice(1).map((column, at) => {
        const tags = one.tags ?? {};
        const dotted = `${one.name}.${column}`;
        const labelled = Object.keys(tags).length ? `${dotted} { ${Object.entries(tags).map(([key, value]) => `${key}: ${value}`).join(', ')} }` : dotted;
        const shown = (target.alias ?? '')
          ? target.alias.replace(/\$(\w+)|\[\[(\w+)\]\]/g, (match, plain, bracketed) => {
              const name = plain ?? bracketed;
              if (name === 'm' || name === 'measurement') return one.name;
              if (name === 'col') return column;
              return name.startsWith('tag_') ? tags[name.slice(4)] ?? match : match;
            })
          : labelled;
        return { name: shown, refId: target.refId, length: one.values.length, fields: [time(one.values.map((row) => row[0])), field('Value', one.values.map((row) => row[at + 1]), one.tags, shown)] };
      })
    );
  }
  if (!series.length) return [];
  const tags = Object.keys(series[0].tags ?? {});
  const rows = series.flatMap((one) => one.values.map((row) => [row[0], ...tags.map((tag) => one.tags[tag]), ...row.slice(1)]));
  const names = [...tags, ...series[0].columns.slice(1)];
  return [{ name: series[0].name, refId: target.refId, length: rows.length, fields: [time(rows.map((row) => row[0])), ...names.map((name, at) => field(name, rows.map((row) => row[at + 1]), undefined, name))] }];
}

/** Every property that an override sets, applied as it stands. */
function registryFor(config) {
  const ids = new Set(['displayName', 'unit', 'decimals', 'min', 'max', 'noValue', 'mappings', 'thresholds', 'color', 'links']);
  for (const override of config.overrides ?? []) for (const property of override.properties) ids.add(property.id);
  return new data.Registry(() =>
    [...ids].map((id) => ({
      id, name: id, isCustom: id.startsWith('custom.'), path: id.replace(/^custom\./, ''), process: (value) => value, shouldApply: () => true, defaultValue: undefined,
    }))
  );
}

/** JSON cannot say minus infinity, so Grafana sets the base of thresholds when it loads a panel. */
function loaded(config) {
  const overrides = config.overrides.flatMap((override) => override.properties.filter((property) => property.id === 'thresholds'));
  for (const thresholds of [config.defaults.thresholds, ...overrides.map((property) => property.value)]) {
    if (thresholds?.steps?.length) thresholds.steps[0].value = -Infinity;
  }
  return config;
}

async function draw({ panel, answers }) {
  const made = answers.flatMap(({ refId, series }) => frames(panel.targets.find((target) => target.refId === refId), series));
  const transformed = await firstValueFrom(data.transformDataFrame(panel.transformations ?? [], made, { interpolate: (text) => text }));
  const shown = data.applyFieldOverrides({
    data: transformed, fieldConfig: loaded(panel.fieldConfig), replaceVariables: (text) => text, theme, timeZone: 'utc', fieldConfigRegistry: registryFor(panel.fieldConfig),
  });
  return shown.map((frame) => ({
    refId: frame.refId,
    fields: frame.fields.map((field) => ({
      name: field.name,
      title: data.getFieldDisplayName(field, frame, shown),
      type: field.type,
      unit: field.config.unit,
      hidden: Boolean(field.config.custom?.hidden ?? field.config.custom?.hideFrom?.viz),
      colour: field.config.color,
      cells: field.values.map((value) => {
        const cell = field.display ? field.display(value) : { text: String(value) };
        return { raw: value, text: data.formattedValueToString(cell), colour: cell.color };
      }),
    })),
  }));
}

// ---------------------------------------------------------------------------------------------- annotations

/** Events as Grafana's InfluxDB source makes them of an annotation's answer: columns by name, then the mappings. */
function annotations({ annotation, series }) {
  const { textColumn, tagsColumn, timeEndColumn } = annotation.target;
  const events = series.flatMap((one) =>
    one.values.filter((row) => !row.slice(1).includes(null)).map((row) => {
      const event = { time: row[0] };
      one.columns.forEach((column, at) => {
        const name = `${one.name}.${column}`;
        if (at === 0) return;
        if (name.includes(tagsColumn)) event.tags = row[at];
        else if (name.includes(textColumn)) event.text = row[at];
        else if (name === timeEndColumn) event.timeEnd = row[at];
      });
      return event;
    })
  );
  const mapped = annotation.mappings ?? {};
  const value = (event, key) => event[mapped[key]?.value ?? key];
  return events.map((event) => ({ time: value(event, 'time'), timeEnd: value(event, 'timeEnd'), text: event.text, tags: event.tags }));
}

// ---------------------------------------------------------------------------------------------- answering

const doing = { variables, ask, draw, annotations };
(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    let answer;
    try {
      answer = { ok: await doing[request.do](request) };
    } catch (error) {
      answer = { error: String(error.stack ?? error) };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
})();
