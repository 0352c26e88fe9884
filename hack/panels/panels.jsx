// The panels of the dashboard, drawn by Grafana's own library of components in a page without a Grafana server.
// drawing.py calls `draw`. What Grafana's server and its plugins would add is below, with their defaults.

import { createTheme, dateTime, FieldType, getDisplayProcessor, getMinMaxAndDelta, toDataFrame } from '@grafana/data';
import { AxisPlacement, GraphDrawStyle, LegendDisplayMode, LineInterpolation, ScaleDistribution, VisibilityMode } from '@grafana/schema';
import {
  BigValue,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GlobalStyles,
  PanelChrome,
  ThemeContext,
  TimeSeries,
} from '@grafana/ui';
import { createRoot } from 'react-dom/client';

// Grafana's grid of a dashboard: 24 columns, rows of 30 pixels, 8 pixels between.
const COLUMNS = 24;
const ROW = 30;
const GAP = 8;

// What a panel has where its JSON says nothing.
const DEFAULTS = {
  color: { mode: 'palette-classic' },
  custom: {
    drawStyle: GraphDrawStyle.Line,
    lineInterpolation: LineInterpolation.Linear,
    lineWidth: 1,
    fillOpacity: 0,
    pointSize: 5,
    showPoints: VisibilityMode.Auto,
    spanNulls: false,
    axisPlacement: AxisPlacement.Auto,
    axisGridShow: true,
    scaleDistribution: { type: ScaleDistribution.Linear },
  },
};
const STAT_DEFAULTS = {
  color: { mode: 'thresholds' },
  thresholds: { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }, { value: 80, color: 'red' }] },
};

function configOf(panel) {
  const said = panel.fieldConfig.defaults;
  const base = panel.type === 'stat' ? STAT_DEFAULTS : DEFAULTS;
  return { ...base, ...said, custom: { ...base.custom, ...said.custom } };
}

function frameOf(series, index, panel, theme) {
  const frame = toDataFrame({
    fields: [
      { name: 'Time', type: FieldType.time, values: series.times },
      { name: 'Value', type: FieldType.number, values: series.values, config: configOf(panel) },
    ],
  });
  const [time, value] = frame.fields;
  value.config.displayNameFromDS = series.legend;
  value.state = { seriesIndex: index, range: getMinMaxAndDelta(value) };
  for (const field of [time, value]) {
    field.display = getDisplayProcessor({ field, theme, timeZone: 'utc' });
  }
  return frame;
}

function Graph({ panel, frames, range, width, height }) {
  const legend = { displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: true, calcs: [], ...panel.options?.legend };
  return <TimeSeries frames={frames} width={width} height={height} timeRange={range} timeZone="utc" legend={legend} />;
}

function Stat({ frames, theme, width, height }) {
  const [time, value] = frames[0].fields;
  const last = value.values.findLast((each) => each !== null);
  return (
    <BigValue
      width={width}
      height={height}
      theme={theme}
      value={{ ...value.display(last), title: value.config.displayNameFromDS }}
      sparkline={{ x: time, y: value }}
      colorMode={BigValueColorMode.Value}
      graphMode={BigValueGraphMode.Area}
      textMode={BigValueTextMode.Auto}
      count={frames.length}
    />
  );
}

function Drawing({ panel, series, range, theme, width, height }) {
  if (series.length === 0) {
    return <div style={{ display: 'grid', placeItems: 'center', height }}>No data</div>;
  }
  const frames = series.map((each, index) => frameOf(each, index, panel, theme));
  switch (panel.type) {
    case 'timeseries':
      return <Graph {...{ panel, frames, range, width, height }} />;
    case 'stat':
      return <Stat {...{ frames, theme, width, height }} />;
  }
}

function placeOf({ x, y, w, h }, width) {
  const column = (width - GAP * (COLUMNS - 1)) / COLUMNS;
  return {
    left: x * (column + GAP),
    top: y * (ROW + GAP),
    width: w * (column + GAP) - GAP,
    height: h * (ROW + GAP) - GAP,
  };
}

function Placed({ panel, width, ...drawn }) {
  const place = placeOf(panel.gridPos, width);
  const style = { position: 'absolute', ...place };
  if (panel.type === 'row') {
    return <div style={{ ...style, lineHeight: `${ROW}px`, fontWeight: 500, fontSize: 16 }}>{panel.title}</div>;
  }
  return (
    <div style={style} data-panel={panel.title}>
      <PanelChrome title={panel.title} width={place.width} height={place.height} description={panel.description}>
        {(innerWidth, innerHeight) => <Drawing {...{ panel, ...drawn }} width={innerWidth} height={innerHeight} />}
      </PanelChrome>
    </div>
  );
}

function Dashboard({ dashboard, found, from, to, theme, width }) {
  const bottom = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const ends = { from: dateTime(from), to: dateTime(to) };
  const range = { ...ends, raw: ends };
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ position: 'relative', width, height: bottom * (ROW + GAP) }}>
        {dashboard.panels.map((panel) => (
          <Placed key={panel.id} {...{ panel, range, theme, width }} series={found[panel.id] ?? []} />
        ))}
      </div>
    </ThemeContext.Provider>
  );
}

function check({ type, title, fieldConfig }) {
  if (!['row', 'stat', 'timeseries'].includes(type)) {
    throw new Error(`panel ${title}: type ${type} is not drawn`);
  }
  if (fieldConfig?.overrides.length > 0) {
    throw new Error(`panel ${title}: overrides are not drawn`);
  }
}

/** Draws a dashboard with the series found for each panel, between two times in milliseconds. */
globalThis.draw = ({ mode, ...props }) => {
  props.dashboard.panels.forEach(check);
  const theme = createTheme({ colors: { mode } });
  const root = document.createElement('div');
  root.style.padding = `${GAP}px`;
  document.body.append(root);
  document.body.style.background = theme.colors.background.canvas;
  document.body.style.color = theme.colors.text.primary;
  document.body.style.fontFamily = theme.typography.fontFamily;
  createRoot(root).render(<Dashboard {...props} theme={theme} />);
  return document.fonts.ready.then(() => undefined);
};
