// The texts that a user sees, in the user's language. `nnlens/locale/` has the catalogues; the English text is the key.

type Values = Record<string, string | number>;

let texts: Record<string, string | string[]> = {};
let language = "en";
let plurals = new Intl.PluralRules(language);

/** Use the texts that came with a view. */
export function useTexts(name: string, catalogue: Record<string, string | string[]>): void {
  [language, texts, plurals] = [name || "en", catalogue, new Intl.PluralRules(name || "en")];
}

const filled = (text: string, values: Values): string =>
  text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));

/** A text, with `values` in the places of their names in braces. */
export function t(text: string, values: Values = {}): string {
  return filled(String(texts[text] ?? text), values);
}

/** The text for one, or for any other count; `{count}` stands for the number. */
export function plural(one: string, many: string, count: number, values: Values = {}): string {
  const forms = [texts[one] ?? [one, many]].flat();
  return filled(forms[plurals.select(count) === "one" ? 0 : 1] ?? one, { count: whole(count), ...values });
}

/** A number as the language writes it, given with a point. */
export function localNumber(text: string): string {
  return language === "de" ? text.replace(".", ",") : text;
}

/** A whole number with its thousands apart. */
export function whole(count: number): string {
  return Math.round(count).toLocaleString(language);
}
