// How the filter's unit responds to gratings of all orientations and frequencies.

import { limitsOf } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import { tabled } from "../../draw/signed.ts";
import { f32 } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import type { FilterTuning } from "../../model/traits.ts";
import { h, say, textured } from "../../ui/dom.ts";
import { fixed, short } from "../../ui/format.ts";
import { heading, picturePane } from "../../ui/pane.ts";
import { pointOn } from "../../ui/pointer.ts";
import { t } from "../../ui/text.ts";
import { workLine } from "../../ui/work.ts";
import { enlarge } from "./filter.ts";

const SIDE = 220;

/** Whether it is of a signal, which has no other direction. */
const isLine = (tuning: FilterTuning) => tuning.orientations.length === 1;

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
    // The directions from left to right, the frequencies from below; of a signal the frequencies from left to right.
    const [across, down] = [tuning.orientations.length, tuning.frequencies.length];
    const turned = isLine(tuning)
      ? values
      : Float32Array.from(values, (_, at) => values[(at % across) * down + (down - 1 - Math.floor(at / across))]);
    const pixels = tabled(turned, limits, table).map((color, at) => (Number.isNaN(turned[at]) ? 0 : color));
    enlarge(canvas, isLine(tuning) ? textured(pixels, 1, down) : textured(pixels, down, across), SIDE);
    scale.show(limits, table, t("largest value over the phases"));
    const [low, high] = [short(tuning.frequencies[0], 1), short(tuning.frequencies[down - 1], 2)];
    const written = isLine(tuning)
      ? [t("{frequency} / sample", { frequency: low }), t("{frequency} / sample", { frequency: high })]
      : ["0°", t("↑ {low} … {high} / px", { low, high }), "180°"];
    ticks.replaceChildren(...written.map((text) => h("span", {}, text)));
    if (tuning.best) {
      const [angle, frequency, value] = tuning.best;
      const numbers = {
        angle: fixed(angle, 0),
        frequency: short(frequency, 2),
        value: short(value),
        selectivity: fixed(tuning.selectivity ?? 0, 2),
        grey: short(tuning.grey ?? 0),
      };
      say(
        words,
        isLine(tuning)
          ? t("best {value} at {frequency} / sample; without a wave {grey}", numbers)
          : t("best {value} at {angle}°, {frequency} / px; grey {grey}; selectivity {selectivity}", numbers),
      );
      words.title = isLine(tuning)
        ? ""
        : t("selectivity: 0 for a unit to which all orientations are equal, 1 for one orientation only");
      canvas.setAttribute("aria-label", words.textContent ?? "");
    }
  };
  context.listen(canvas, "pointermove", (event) => {
    const tuning = context.get("tuning");
    if (!tuning) return;
    const [down, across] = pointOn(canvas, event);
    const row = isLine(tuning) ? 0 : Math.floor(across * tuning.orientations.length);
    const column = Math.floor((isLine(tuning) ? across : 1 - down) * tuning.frequencies.length);
    const value = f32(tuning.values)[row * tuning.frequencies.length + column];
    const [angle, frequency] = [tuning.orientations[row], tuning.frequencies[column]];
    if (angle === undefined || frequency === undefined || Number.isNaN(value)) return;
    const numbers = { angle: fixed(angle, 0), frequency: short(frequency, 2), value: short(value) };
    const [at, size] = [t("{frequency} / sample", numbers), numbers.value];
    say(reading, isLine(tuning) ? `${at}: ${size}` : t("{angle}°, {frequency} / px: {value}", numbers));
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
