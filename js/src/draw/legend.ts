// A strip of colours with ticks.

import { h } from "../ui/dom.ts";
import { short, signed } from "../ui/format.ts";
import { colorOf, css, type Limits, type Table } from "./colors.ts";

export interface Legend {
  element: HTMLElement;
  show(limits: Limits, table: Table, unit?: string, signs?: boolean): void;
}

export function legend(): Legend {
  const strip = h("span", { class: "nn-strip" });
  const ticks = [h("span"), h("span"), h("span")];
  const what = h("span", { class: "nn-soft" });
  const element = h(
    "div",
    { class: "nn-legend" },
    h("span", { class: "nn-scale" }, strip, h("span", { class: "nn-ticks" }, ...ticks)),
    what,
  );
  return {
    element,
    show(limits, table, unit = "", signs = false) {
      const [low, high] = limits;
      const stops = Array.from({ length: 17 }, (_, stop) =>
        css(colorOf(low + (stop / 16) * (high - low), limits, table)),
      );
      strip.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
      const texts = (digits: number) =>
        [low, (low + high) / 2, high].map((value) => {
          const plus = signs && value > 0 ? "+" : "";
          return signs && Math.abs(value) >= 0.1 ? signed(value) : plus + short(value, digits);
        });
      // As many digits as fit beside each other.
      const fitting = [3, 2, 1].map(texts).find((words) => words.join("").length <= 15) ?? texts(1);
      for (const [index, text] of fitting.entries()) ticks[index].textContent = text;
      what.textContent = unit;
    },
  };
}
