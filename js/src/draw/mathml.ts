// Expressions as MathML, which browsers draw and screen readers read.

import type { TreePayload } from "../model/traits.ts";

const SPACE = "http://www.w3.org/1998/Math/MathML";
const WORDS: Record<string, string> = { log: "ln" };
/** Sums of more terms may be broken into lines. */
const LONG = 3;

type Part = Element | string;

function m(tag: string, ...parts: Part[]): Element {
  const made = document.createElementNS(SPACE, tag);
  made.append(...parts);
  return made;
}

/** One formula in a line of text, with fractions in full size. */
export function math(...parts: Part[]): HTMLElement {
  const made = m("math", ...parts);
  made.setAttribute("displaystyle", "true");
  return made as unknown as HTMLElement;
}

export function sign(text: string): Element {
  const made = m("mo", text);
  made.setAttribute("stretchy", "false");
  return made;
}

const row = (...parts: Part[]) => m("mrow", ...parts);

/** x1 as x₁, h1_3 as h with the index 1,3. */
export function nameOf(name: string): Element {
  const [, letter, index] = name.match(/^([a-z]+)([\d_]*)$/i) ?? [null, name, ""];
  return index ? m("msub", m("mi", letter!), m("mn", index.replace("_", ","))) : m("mi", letter!);
}

const isNegative = (node: TreePayload): boolean =>
  node.op === "number" ? (node.value ?? 0) < 0 : node.op === "*" && isNegative(node.parts![0]);

function negated(node: TreePayload): TreePayload {
  if (node.op === "number") return { ...node, value: -(node.value ?? 0) };
  const [first, ...rest] = node.parts!;
  if (first.op === "number" && first.value === -1) return rest.length > 1 ? { ...node, parts: rest } : rest[0];
  return { ...node, parts: [negated(first), ...rest] };
}

const isReciprocal = (node: TreePayload) =>
  node.op === "^" && node.parts![1].op === "number" && node.parts![1].value! < 0;

/** An expression; `number` writes a number. */
export function expression(node: TreePayload, number: (value: number) => string): Element {
  const inner = (part: TreePayload) => expression(part, number);
  const bracketed = (part: TreePayload) => row(sign("("), inner(part), sign(")"));
  const factor = (part: TreePayload) => (part.op === "+" || isNegative(part) ? bracketed(part) : inner(part));
  const parts = node.parts ?? [];
  switch (node.op) {
    case "number":
      return isNegative(node) ? row(sign("−"), m("mn", number(-node.value!))) : m("mn", number(node.value ?? 0));
    case "name":
      return nameOf(node.name!);
    case "+":
      return row(...parts.flatMap((part, place) => signed(part, place === 0, inner)));
    case "*": {
      if (isNegative(node)) return row(sign("−"), inner(negated(node)));
      const below = parts.filter(isReciprocal);
      const above = parts.filter((part) => !isReciprocal(part));
      const product = (factors: TreePayload[]) =>
        factors.length === 1 ? inner(factors[0]) : row(...factors.map(factor));
      if (!below.length) return product(above);
      const inverted = below.map(inverse);
      return m("mfrac", above.length ? product(above) : m("mn", "1"), product(inverted));
    }
    case "^": {
      if (isReciprocal(node)) return m("mfrac", m("mn", "1"), inner(inverse(node)));
      const [base, power] = parts;
      if (power.op === "number" && power.value === 0.5) return m("msqrt", inner(base));
      return m("msup", base.parts ? bracketed(base) : inner(base), inner(power));
    }
    case "exp":
      return m("msup", m("mi", "e"), inner(parts[0]));
    case "abs":
      return row(sign("|"), inner(parts[0]), sign("|"));
    default: {
      const between = parts.flatMap((part, place) => (place ? [sign(","), inner(part)] : [inner(part)]));
      return row(m("mi", WORDS[node.op] ?? node.op), sign("("), ...between, sign(")"));
    }
  }
}

function inverse(node: TreePayload): TreePayload {
  const [base, power] = node.parts!;
  return power.value === -1 ? base : { ...node, parts: [base, { ...power, value: -power.value! }] };
}

function signed(part: TreePayload, isFirst: boolean, inner: (part: TreePayload) => Element): Part[] {
  if (isNegative(part)) return [sign("−"), inner(negated(part))];
  return isFirst ? [inner(part)] : [sign("+"), inner(part)];
}

/**
 * `name = expression` as several formulas in a row: MathML is not broken into lines by browsers, so that long sums
 * are broken between them.
 */
export function definition(name: string, node: TreePayload, number: (value: number) => string): HTMLElement[] {
  return [math(nameOf(name), sign("=")), ...pieces(node, number)];
}

function pieces(node: TreePayload, number: (value: number) => string): HTMLElement[] {
  const inner = (part: TreePayload) => expression(part, number);
  if (node.op === "+" && node.parts!.length > LONG) {
    return node.parts!.flatMap((part, place) => {
      const positive = isNegative(part) ? negated(part) : part;
      const before = isNegative(part) ? [sign("−")] : place ? [sign("+")] : [];
      if (positive.parts?.length && positive.op !== "*" && isLong(positive))
        return [...(before.length ? [math(...before)] : []), ...pieces(positive, number)];
      return [math(...before, inner(positive))];
    });
  }
  const parts = node.parts ?? [];
  const last = parts[parts.length - 1];
  const isCall = !["+", "*", "^", "exp", "abs", "number", "name"].includes(node.op);
  if (isCall && isLong(last)) {
    const before = parts.slice(0, -1).flatMap((part) => [inner(part), sign(",")]);
    const word = m("mi", WORDS[node.op] ?? node.op);
    return [math(word, sign("("), ...before), ...pieces(last, number), math(sign(")"))];
  }
  return [math(inner(node))];
}

function isLong(node: TreePayload): boolean {
  return node.op === "+" ? node.parts!.length > LONG : (node.parts ?? []).some(isLong);
}
