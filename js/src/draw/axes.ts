// Axes of charts: round numbers on a plain or a logarithmic scale, and where a value lies.

export interface Axis {
  low: number;
  high: number;
  log: boolean;
}

/** The range of some values with a little room, on a scale that can show them. */
export function axisOf(values: (number | null)[], log: boolean): Axis {
  const shown = values.filter((value): value is number => value !== null && (!log || value > 0));
  if (!shown.length) return { low: log ? 1 : 0, high: log ? 10 : 1, log };
  let [low, high] = [Math.min(...shown), Math.max(...shown)];
  if (log) {
    const room = Math.max(0.02, 0.04 * Math.log10(high / low));
    return { low: low / 10 ** room, high: high * 10 ** room, log };
  }
  if (low === high) [low, high] = [low - Math.abs(low || 1) / 2, high + Math.abs(high || 1) / 2];
  const room = 0.04 * (high - low);
  // An axis that begins close to 0 begins there.
  return { low: low >= 0 && low < 0.3 * high ? 0 : low - room, high: high + room, log };
}

/** Where a value lies: 0 at the low end, 1 at the high end. */
export function shareOf(value: number, { low, high, log }: Axis): number {
  return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

/** Round numbers along an axis, about `count` of them. */
export function roundTicks({ low, high, log }: Axis, count = 5): number[] {
  if (log) {
    const decades = Math.log10(high / low);
    const steps = decades < 0.8 ? [1, 2, 3, 5, 7] : decades < 1.5 ? [1, 2, 5] : decades < 2.5 ? [1, 3] : [1];
    const every = Math.max(1, Math.ceil(decades / count));
    const found: number[] = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1)
      for (const step of steps) {
        const tick = step * 10 ** power;
        if (tick >= low && tick <= high && power % every === 0) found.push(tick);
      }
    return found.length > 1 ? found : [low, high];
  }
  const rough = (high - low) / count;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * ([1, 2, 5, 10].find((factor) => factor * size >= rough) ?? 10);
  const found: number[] = [];
  for (let at = Math.ceil(low / step); at * step <= high + 1e-9 * step; at += 1) found.push(at * step);
  return found;
}
