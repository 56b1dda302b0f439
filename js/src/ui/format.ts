// Numbers and shapes in words.

import { localNumber, t } from "./text.ts";

/** Three significant digits, or fewer, with a real minus sign. */
export function short(value: number, digits = 3): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "−∞" : "∞";
  const size = Math.abs(value);
  const text =
    size !== 0 && (size >= 1e5 || size < 1e-3)
      ? value.toExponential(Math.min(1, digits - 1))
      : String(Number(value.toPrecision(digits)));
  return localNumber(text.replaceAll("-", "−"));
}

/** A number with so many digits after the point. */
export function fixed(value: number, digits: number): string {
  return localNumber(value.toFixed(digits)).replace("-", "−");
}

/** A probability, in English without its leading zero: ".81", "1.00"; in German "0,81". */
export function share(value: number): string {
  const text = fixed(value, 2);
  return text.replace(/^0\./, ".");
}

export function signed(value: number, digits = 2): string {
  const text = fixed(Math.abs(value), digits);
  if (!/[1-9]/.test(text)) return "±0";
  return `${value < 0 ? "−" : "+"}${text.replace(/^0\./, ".")}`;
}

export function percent(value: number): string {
  if (value === 0 || value === 1) return `${value * 100} %`;
  if (value > 0 && value < 0.001) return `${short(value * 100, 1)} %`;
  return value < 0.01 || value > 0.99 ? `${fixed(value * 100, 1)} %` : `${Math.round(value * 100)} %`;
}

/** A tensor's shape without its batch: "96×112²". */
export function shape(sizes: number[]): string {
  const rest = sizes.length > 1 ? sizes.slice(1) : sizes;
  const [height, width] = rest.slice(-2);
  if (rest.length >= 3 && height === width) return [...rest.slice(0, -2), `${height}²`].join("×");
  return rest.join("×") || "1";
}

/** Where a point is, given its shares of the height and of the width. */
export function placeWords(down: number, across: number): string {
  const third = (share: number) => Math.min(2, Math.floor(3 * share));
  return [
    [t("in the upper left"), t("at the top"), t("in the upper right")],
    [t("at the left"), t("in the centre"), t("at the right")],
    [t("in the lower left"), t("at the bottom"), t("in the lower right")],
  ][third(down)][third(across)];
}

/** That a map was reduced by `step`, and what a value of it stands for. */
export function reducedWords(step: number): string {
  return t("downsampled: each value is the largest of {step} × {step}", { step });
}

/** A time that is left. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.ceil(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${fixed(seconds / 3600, 1)} h`;
}
