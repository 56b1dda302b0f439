// A formula: its parts are computed here, so that a page needs no kernel to try other inputs.

import { once } from "./arrays.ts";
import type { DefinitionPayload, FormulaPayload, TreePayload } from "./traits.ts";

/** A value with its slopes along all inputs. */
export interface Dual {
  value: number;
  slopes: Float64Array;
}

type Names = Map<string, Dual>;

const FUNCTIONS: Record<string, [of: (x: number) => number, slope: (x: number, y: number) => number]> = {
  tanh: [Math.tanh, (_, y) => 1 - y * y],
  exp: [Math.exp, (_, y) => y],
  log: [Math.log, (x) => 1 / x],
  sin: [Math.sin, (x) => Math.cos(x)],
  cos: [Math.cos, (x) => -Math.sin(x)],
  abs: [Math.abs, (x) => Math.sign(x)],
  erf: [erf, (x) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x)],
};

/** Where a number is rounded, the part that stands for it. */
export function rounded(node: TreePayload, digits: number): TreePayload {
  if (node.op === "number") return { ...node, value: Number((node.value ?? 0).toPrecision(digits)) };
  return node.parts ? { ...node, parts: node.parts.map((part) => rounded(part, digits)) } : node;
}

export const rounding = once((formula: FormulaPayload): ((digits: number) => DefinitionPayload[]) => {
  const known = new Map<number, DefinitionPayload[]>();
  return (digits) => {
    let made = known.get(digits);
    if (!made) {
      made = formula.layers.flatMap((layer) =>
        layer.definitions.map(({ name, tree }) => ({ name, tree: rounded(tree, digits) })),
      );
      known.set(digits, made);
    }
    return made;
  };
});

export const definitionsOf = (formula: FormulaPayload): DefinitionPayload[] =>
  formula.layers.flatMap((layer) => layer.definitions);

/** The values of all names at an input. */
export function evaluate(formula: FormulaPayload, definitions: DefinitionPayload[], at: number[]): Names {
  const count = formula.inputs.length;
  const names: Names = new Map(
    formula.inputs.map((name, place) => {
      const slopes = new Float64Array(count);
      slopes[place] = 1;
      return [name, { value: at[place], slopes }];
    }),
  );
  for (const { name, tree } of definitions) names.set(name, dual(tree, names, count));
  return names;
}

function dual(node: TreePayload, names: Names, count: number): Dual {
  if (node.op === "number") return { value: node.value ?? 0, slopes: new Float64Array(count) };
  if (node.op === "name") return names.get(node.name!)!;
  const parts = node.parts!.map((part) => dual(part, names, count));
  const combined = (value: number, weights: number[]): Dual => {
    const slopes = new Float64Array(count);
    for (const [place, weight] of weights.entries())
      if (weight) for (let at = 0; at < count; at++) slopes[at] += weight * parts[place].slopes[at];
    return { value, slopes };
  };
  const values = parts.map((part) => part.value);
  if (node.op === "+")
    return combined(
      values.reduce((sum, value) => sum + value, 0),
      values.map(() => 1),
    );
  if (node.op === "*")
    return combined(
      values.reduce((product, value) => product * value, 1),
      values.map((_, place) => values.reduce((product, value, at) => (at === place ? product : product * value), 1)),
    );
  if (node.op === "^") {
    const [base, power] = values;
    return combined(base ** power, [power * base ** (power - 1), 0]);
  }
  if (node.op === "max" || node.op === "min") {
    const best = node.op === "max" ? Math.max(...values) : Math.min(...values);
    const place = values.indexOf(best);
    return combined(
      best,
      values.map((_, at) => (at === place ? 1 : 0)),
    );
  }
  const [of, slope] = FUNCTIONS[node.op];
  const value = of(values[0]);
  return combined(value, [slope(values[0], value)]);
}

/** Whether the formula is made of linear pieces: sums, maxima, and products with numbers. */
export const isPiecewiseLinear = once((formula: FormulaPayload): boolean => {
  const fits = (node: TreePayload): boolean => {
    if (!node.parts) return true;
    if (node.op === "*" && node.parts.filter((part) => part.op !== "number").length > 1) return false;
    return ["+", "*", "max", "min", "abs"].includes(node.op) && node.parts.every(fits);
  };
  return definitionsOf(formula).every(({ tree }) => fits(tree));
});

/** The largest difference of the outputs that rounding makes, at points around the first input. */
export function roundingError(formula: FormulaPayload, digits: number, points = 200): number {
  const [exact, short] = [definitionsOf(formula), rounding(formula)(digits)];
  let [largest, seed] = [0, 1];
  // The same points each time: a linear congruential generator (Lehmer 1951, modulus 2³¹ − 1).
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
  for (let point = 0; point < points; point++) {
    const at = formula.start.map((value) => value + 4 * random() - 2);
    const [one, other] = [evaluate(formula, exact, at), evaluate(formula, short, at)];
    for (const name of formula.outputs)
      largest = Math.max(largest, Math.abs(one.get(name)!.value - other.get(name)!.value));
  }
  return largest;
}

/** The error function, by its series near 0 and its continued fraction beyond. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let [sum, term] = [size, size];
    for (let n = 1; n < 80; n++) {
      term *= (-size * size) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-size * size) / (Math.sqrt(Math.PI) * (size + fraction)));
}
