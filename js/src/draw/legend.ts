// A strip of colours with ticks, and what the numbers are.

import { h, say } from "../ui/dom.ts";
import { short, signed } from "../ui/format.ts";
import { colorOf, css, type Limits, type Table } from "./colors.ts";

export interface Legend {
  element: HTMLElement;
  /** `unit` says what the numbers are in a few words, `meaning` how to read the colours. */
  show(limits: Limits, table: Table, unit?: string, meaning?: string): void;
}

/** Digits that fit beside each other under the strip. */
const ROOM = 17;

export function legend(): Legend {
  const strip = h("span", { class: "nn-strip" });
  const ticks = [h("span"), h("span"), h("span")];
  const what = h("span", { class: "nn-soft nn-name" });
  const element = h("div", { class: "nn-legend" }, strip, h("span", { class: "nn-ticks" }, ...ticks), what);
  return {
    element,
    show(limits, table, unit = "", meaning = "") {
      const [low, high] = limits;
      const stops = Array.from({ length: 17 }, (_, stop) =>
        css(colorOf(low + (stop / 16) * (high - low), limits, table)),
      );
      strip.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
      const signs = low < 0 && high > 0;
      const texts = (digits: number) =>
        [low, (low + high) / 2, high].map((value) => {
          if (signs && Math.abs(value) >= 0.1 && Math.abs(value) < 10) return signed(value);
          return (signs && value > 0 ? "+" : "") + short(value, digits);
        });
      // As many digits as fit beside each other.
      const fitting = [3, 2, 1].map(texts).find((words) => words.join("").length <= ROOM) ?? texts(1);
      for (const [index, text] of fitting.entries()) say(ticks[index], text);
      say(what, unit);
      element.title = meaning || unit;
    },
  };
}
