// What the model makes: a picture, or for a reconstruction also its difference from the input.

import { shownSize } from "../../draw/framed.ts";
import { traceCanvas } from "../../draw/trace.ts";
import { u8 } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import type { Trace } from "../../model/traits.ts";
import { h, pictured, say } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

export function madePane(context: Context): HTMLElement {
  const pictures = h("div", { class: "nn-made" });
  const note = h("div", { class: "nn-soft" });
  const title = heading();
  const pane = h("div", {}, title, pictures, note);
  const draw = () => {
    const made = context.get("made_picture") ?? null;
    pane.hidden = !made;
    if (!made) return;
    const compared = made.error !== undefined;
    say(title, compared ? t("reconstruction") : t("what the model makes"));
    const figure = (words: string, data?: DataView, trace?: Trace) => {
      if (!data && !trace) return null;
      const drawn = trace ? lines(trace) : pictured(u8(data!), () => {});
      drawn.setAttribute("role", "img");
      drawn.setAttribute("aria-label", words);
      if (drawn instanceof HTMLImageElement) drawn.style.aspectRatio = `${made.width} / ${made.height}`;
      return h("figure", { class: trace ? "nn-whole" : "" }, drawn, h("figcaption", { class: "nn-soft" }, words));
    };
    const figures = [
      figure(
        compared ? t("reconstruction") : t("{width} × {height} pixels", { width: made.width, height: made.height }),
        made.picture,
        made.trace,
      ),
      figure(
        t("minus the input, up to ±{reach}", { reach: short(made.reach ?? 0) }),
        made.difference,
        made.difference_trace,
      ),
    ];
    pictures.replaceChildren(...figures.filter((item): item is HTMLElement => item !== null));
    note.hidden = !compared;
    if (compared) say(note, t("mean squared error {error}", { error: short(made.error!) }));
  };
  const lines = (trace: Trace): HTMLCanvasElement => {
    const photo = context.get("photo");
    const [ink, line, dim] = ["--nn-ink", "--nn-line", "--nn-dim"].map((name) => context.color(name));
    const axis: [number, string] = photo.rate ? [photo.width / photo.rate, " s"] : [photo.width, ""];
    const [width, height] = shownSize({ ...photo, zoom: 1 });
    const canvas = traceCanvas(trace, [width, height], { ink, line, dim }, axis);
    canvas.style.aspectRatio = `${width} / ${height}`;
    return canvas;
  };
  context.onTheme(draw);
  context.watch(["made_picture"], draw);
  return pane;
}
