// How the filter's unit responds to gratings of all orientations and frequencies.

import { limitsOf } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import { tabled } from "../../draw/signed.ts";
import { f32 } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h, say, textured } from "../../ui/dom.ts";
import { fixed, short } from "../../ui/format.ts";
import { heading, picturePane } from "../../ui/pane.ts";
import { pointOn } from "../../ui/pointer.ts";
import { t } from "../../ui/text.ts";
import { workLine } from "../../ui/work.ts";
import { enlarge } from "./filter.ts";

const SIDE = 220;

export function gratingsPane(context: Context, scene: Scene): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo nn-plain", role: "img", "aria-label": t("responses to gratings") });
  const empty = h("div", { class: "nn-soft nn-empty", hidden: true });
  const scale = legend();
  const words = h("div", { class: "nn-soft" });
  const ticks = h("span", { class: "nn-ticks nn-soft" });
  const reading = h("span", { class: "nn-soft nn-name nn-line" });
  const work = workLine(
    () => context.request("cancel"),
    () => context.request("resume"),
  );
  const draw = () => {
    const sent = context.get("tuning");
    const other = sent?.filter !== context.get("filter") || sent.weight !== context.get("weight");
    // A page that has no responses of this filter shows none.
    const tuning = other && !context.live ? null : sent;
    const shown = Boolean(tuning?.orientations.length);
    canvas.hidden = scale.element.hidden = ticks.hidden = !shown;
    empty.hidden = shown;
    say(empty, tuning?.problem || (context.live ? t("being computed…") : t("not kept in this page")));
    const running = context.live && tuning !== null && tuning.done < 1;
    work.show({
      words: running ? t("gratings") : "",
      share: tuning?.done ?? null,
      running,
      canContinue: false,
    });
    if (!tuning || !shown) {
      say(words, "");
      return;
    }
    const values = f32(tuning.values);
    const known = values.filter(Number.isFinite);
    const limits = limitsOf(Math.min(...known, 0), Math.max(...known, 0));
    const table = scene.table(limits);
    // The directions from left to right, the frequencies from below.
    const [across, down] = [tuning.orientations.length, tuning.frequencies.length];
    const turned = Float32Array.from(
      values,
      (_, at) => values[(at % across) * down + (down - 1 - Math.floor(at / across))],
    );
    const pixels = tabled(turned, limits, table).map((color, at) => (Number.isNaN(turned[at]) ? 0 : color));
    enlarge(canvas, textured(pixels, down, across), SIDE);
    scale.show(limits, table, t("largest value over the phases"));
    const [low, high] = [tuning.frequencies[0], tuning.frequencies[down - 1]];
    const upwards = t("↑ {low} … {high} / px", { low: short(low, 1), high: short(high, 2) });
    ticks.replaceChildren(h("span", {}, "0°"), h("span", {}, upwards), h("span", {}, "180°"));
    if (tuning.best) {
      const [angle, frequency, value] = tuning.best;
      const numbers = {
        angle: fixed(angle, 0),
        frequency: short(frequency, 2),
        value: short(value),
        selectivity: fixed(tuning.selectivity ?? 0, 2),
        grey: short(tuning.grey ?? 0),
      };
      say(words, t("best {value} at {angle}°, {frequency} / px; grey {grey}; selectivity {selectivity}", numbers));
      words.title = t("selectivity: 0 for a unit to which all orientations are equal, 1 for one orientation only");
      canvas.setAttribute("aria-label", words.textContent ?? "");
    }
  };
  context.listen(canvas, "pointermove", (event) => {
    const tuning = context.get("tuning");
    if (!tuning) return;
    const [down, across] = pointOn(canvas, event);
    const row = Math.floor(across * tuning.orientations.length);
    const column = Math.floor((1 - down) * tuning.frequencies.length);
    const value = f32(tuning.values)[row * tuning.frequencies.length + column];
    const [angle, frequency] = [tuning.orientations[row], tuning.frequencies[column]];
    if (angle === undefined || frequency === undefined || Number.isNaN(value)) return;
    const numbers = { angle: fixed(angle, 0), frequency: short(frequency, 2), value: short(value) };
    say(reading, t("{angle}°, {frequency} / px: {value}", numbers));
  });
  context.listen(canvas, "pointerleave", () => say(reading, ""));
  context.watch(context.live ? ["tuning"] : ["tuning", "filter", "weight"], draw);
  context.watch(["tuning", "filter", "weight"], () => {
    const tuning = context.get("tuning");
    const current = tuning?.filter === context.get("filter") && tuning.weight === context.get("weight");
    canvas.classList.toggle("nn-stale", !current);
  });
  context.onTheme(draw);
  const title = heading(t("responses to gratings"));
  title.title = t("across: the direction in which the grating varies, 0° to 180°; upwards: its frequency, low to high");
  const stage = h("div", { class: "nn-framed" }, canvas, ticks, empty);
  return picturePane(title, stage, [scale.element, words], [reading, ...work.parts], null);
}
