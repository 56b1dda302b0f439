// The words for values of traits. The values themselves are the same in every language.

import { t } from "./text.ts";

/** What the numbers are: "probability" or "logit", "value" or "sum". */
export function scoreName(score: string): string {
  const names: Record<string, string> = {
    probability: t("probability"),
    logit: t("logit"),
    value: t("value"),
    sum: t("sum"),
  };
  return names[score] ?? score;
}

/** The name of a class as it is shown: in quotes where it is a mark alone, as of a token. */
export function className(label: string): string {
  return !label || /[\p{L}\p{N}]/u.test(label) ? label : `“${label}”`;
}

/** The kind of an operation. */
export function kindName(kind: string): string {
  const names: Record<string, string> = {
    recurrent: t("recurrent"),
    convolution: t("convolution"),
    pooling: t("pooling"),
    normalisation: t("normalisation"),
    activation: t("activation"),
    attention: t("attention"),
    linear: t("linear"),
    dropout: t("dropout"),
    reshape: t("reshape"),
    join: t("join"),
    padding: t("padding"),
    sampling: t("sampling"),
    arithmetic: t("arithmetic"),
    gate: t("gate"),
    state: t("state"),
    other: t("other"),
  };
  return names[kind] ?? kind;
}

/** What a check of a map is about. */
export function checkName(check: string): string {
  const names: Record<string, string> = {
    map: t("map"),
    completeness: t("completeness"),
    linearity: t("linearity"),
    edges: t("edges"),
    faithfulness: t("faithfulness"),
    randomisation: t("randomisation"),
    seeds: t("seeds"),
    sensitivity: t("sensitivity"),
  };
  return names[check] ?? check;
}
