/** SVG charts without a library: lines over time, and bars. Light on the eye in either theme: a white card. */

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
}

const WIDTH = 860;
const HEIGHT = 360;
const LEFT = 78;
const RIGHT = 150;
const TOP = 40;
const BOTTOM = 46;
const COLORS = ["#1f6feb", "#d1481f", "#2a8a4a", "#8a4fbf", "#b8860b", "#0a8f9c", "#c2347b"];

export function drawLines({ title, xLabel, yLabel }: Chart, lines: readonly Line[]): string {
  const points = lines.flatMap((line) => line.points);
  const maxX = Math.max(1e-9, ...points.map(([x]) => x));
  const maxY = Math.max(1e-9, ...points.map(([, y]) => y));
  const marks = { x: marksUpTo(maxX), y: marksUpTo(maxY) };
  const toX = (x: number) => LEFT + (x / maxX) * (WIDTH - LEFT - RIGHT);
  const toY = (y: number) => HEIGHT - BOTTOM - (y / maxY) * (HEIGHT - TOP - BOTTOM);
  const paths = lines.map((line, index) => {
    const path = line.points.map(([x, y], at) => `${at === 0 ? "M" : "L"}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`);
    return `<path d="${path.join("")}" fill="none" stroke="${colorOf(index)}" stroke-width="2"${dashOf(index)}/>${legend(line.name, index)}`;
  });
  return frame(title, [...axes(marks, xLabel, yLabel, toX, toY), ...paths]);
}

export interface Bar {
  readonly name: string;
  /** One value per part, from the bottom up. */
  readonly parts: readonly number[];
}

export function drawStackedBars(
  { title, xLabel, yLabel }: Chart,
  partNames: readonly string[],
  bars: readonly Bar[],
): string {
  const maxY = Math.max(1e-9, ...bars.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0)));
  const toY = (y: number) => HEIGHT - BOTTOM - (y / maxY) * (HEIGHT - TOP - BOTTOM);
  const step = (WIDTH - LEFT - RIGHT) / Math.max(1, bars.length);
  const shapes = bars.flatMap(({ name, parts }, at) => {
    let below = 0;
    const rects = parts.map((part, index) => {
      const [y, height] = [toY(below + part), toY(below) - toY(below + part)];
      below += part;
      return `<rect x="${(LEFT + at * step + step * 0.1).toFixed(1)}" y="${y.toFixed(1)}" width="${(step * 0.8).toFixed(1)}" height="${height.toFixed(1)}" fill="${colorOf(index)}"><title>${escapeXml(name)}: ${escapeXml(partNames[index] ?? "")} ${part.toPrecision(3)}</title></rect>`;
    });
    const label =
      step < 26
        ? ""
        : `<text x="${(LEFT + (at + 0.5) * step).toFixed(1)}" y="${HEIGHT - BOTTOM + 14}" text-anchor="middle">${escapeXml(name)}</text>`;
    return [...rects, label];
  });
  const legends = partNames.map(legend);
  return frame(title, [...axes({ x: [], y: marksUpTo(maxY) }, xLabel, yLabel, () => 0, toY), ...shapes, ...legends]);
}

/** Round numbers, about five of them. */
function marksUpTo(max: number): readonly number[] {
  const rough = max / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, at) => at * step);
}

function axes(
  marks: { readonly x: readonly number[]; readonly y: readonly number[] },
  xLabel: string,
  yLabel: string,
  toX: (x: number) => number,
  toY: (y: number) => number,
): string[] {
  const right = WIDTH - RIGHT;
  return [
    ...marks.y.map((value) => {
      const y = toY(value).toFixed(1);
      return `<path d="M${LEFT} ${y}H${right}" stroke="#ddd"/><text x="${LEFT - 6}" y="${y}" dy="4" text-anchor="end">${short(value)}</text>`;
    }),
    ...marks.x.map((value) => {
      const place = `x="${toX(value).toFixed(1)}" y="${HEIGHT - BOTTOM + 16}"`;
      return `<text ${place} text-anchor="middle">${short(value)}</text>`;
    }),
    `<text x="${(LEFT + right) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${escapeXml(xLabel)}</text>`,
    `<text x="16" y="${(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" transform="rotate(-90 16 ${(TOP + HEIGHT - BOTTOM) / 2})">${escapeXml(yLabel)}</text>`,
  ];
}

function legend(name: string, index: number): string {
  const y = TOP + 10 + index * 20;
  const x = WIDTH - RIGHT + 14;
  return `<rect x="${x}" y="${y - 9}" width="12" height="12" fill="${colorOf(index)}"/><text x="${x + 18}" y="${y + 1}">${escapeXml(name)}</text>`;
}

function frame(title: string, shapes: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" font-family="system-ui,sans-serif" font-size="12" fill="#333">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="22" font-size="15" font-weight="600">${escapeXml(title)}</text>`,
    ...shapes,
    "</svg>\n",
  ].join("\n");
}

/** Each line but the first has gaps, through which one shows that runs beneath it. */
function dashOf(index: number): string {
  return index === 0 ? "" : ` stroke-dasharray="${14 - 3 * index} ${2 + 2 * index}"`;
}

function colorOf(index: number): string {
  return COLORS[index % COLORS.length] as string;
}

function short(value: number): string {
  if (value >= 1e9) return `${trim(value / 1e9)}G`;
  if (value >= 1e6) return `${trim(value / 1e6)}M`;
  if (value >= 1e4) return `${trim(value / 1e3)}k`;
  return trim(value);
}

function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
