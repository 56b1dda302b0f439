// The occluder's size, what it shows, and its shape: as a slider and choices.

import { isTrace } from "../../draw/framed.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import { choice } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { lengthMark, lengthWords } from "../../ui/place.ts";
import { t } from "../../ui/text.ts";

const fillNames = (ofTrace = false): Record<string, string> => ({
  background: t("background"),
  grey: ofTrace ? t("middle of its range") : t("grey"),
  mean: ofTrace ? t("mean") : t("mean colour"),
  blur: t("blur"),
  noise: t("noise"),
  surround: t("what surrounds it"),
});

export const fillName = (value: string, ofTrace = false): string => fillNames(ofTrace)[value] ?? value;

/** The sizes or fills that a saved page holds maps of; null where every one can be computed. */
function stored(context: Context, index: 0 | 1): string[] | null {
  const pairs = context.choices("size|fill");
  return pairs && [...new Set(pairs.map((pair) => pair.split("|")[index]))];
}

const storedSizes = (context: Context): number[] | null =>
  stored(context, 0)
    ?.map(Number)
    .sort((a, b) => a - b) ?? null;

/** The fills that this image has, and the one that was given as a number or a colour. */
function fillsOf(context: Context): string[] {
  const named = context.get("fills") ?? Object.keys(fillNames());
  const fill = context.get("fill");
  return named.includes(fill) ? named : [...named, fill];
}

/** The fills whose maps can be shown. */
export const usableFills = (context: Context): string[] => stored(context, 1) ?? fillsOf(context);

/** The slider for the size with its value beside it. */
export function sizeSlider(context: Context): HTMLElement {
  const slider = h("input", { type: "range", "aria-label": t("occluder's size") });
  const words = h("output", { class: "nn-number" });
  const sizes = storedSizes(context);
  const nearest = (size: number) =>
    sizes!.reduce(
      (best, candidate, index) => (Math.abs(candidate - size) < Math.abs(sizes![best] - size) ? index : best),
      0,
    );
  // A page's few sizes are unevenly spaced: there the slider counts them. Else its value is the size itself.
  const place = () => {
    const size = context.get("size");
    const [least, most, step] = sizes ? [0, sizes.length - 1, 1] : context.get("sizes");
    [slider.min, slider.max, slider.step] = [least, most, step].map(String);
    slider.value = String(sizes ? nearest(size) : size);
    slider.setAttribute("aria-valuetext", lengthWords(context, size));
    slider.disabled = most <= least;
    slider.title = slider.disabled && sizes ? needsKernel() : t("occluder's size");
    say(words, lengthMark(context, size));
  };
  context.listen(slider, "input", () =>
    context.set({ size: sizes ? sizes[Number(slider.value)] : Number(slider.value) }),
  );
  context.watch(["size", "sizes", "photo"], place);
  return h("label", { class: "nn-control nn-slider" }, h("span", { class: "nn-label" }, t("size")), slider, words);
}

export function fillChoice(context: Context): HTMLElement {
  const fill = choice(t("fill"), [], (value) => context.set({ fill: value }));
  context.watch(["fills", "fill"], () => {
    const have = stored(context, 1);
    const all = fillsOf(context);
    fill.select.replaceChildren(
      ...all.map((value) =>
        h(
          "option",
          { value, disabled: have !== null && !have.includes(value) },
          fillName(value, isTrace(context.get("photo"))),
        ),
      ),
    );
    fill.title =
      have && all.some((value) => !have.includes(value)) ? needsKernel() : t("fill: what the occluder shows");
    fill.select.value = context.get("fill");
  });
  return fill;
}

export function shapeChoice(context: Context): HTMLElement {
  const shape = choice(
    t("shape"),
    [
      ["rectangle", t("square")],
      ["circle", t("circle")],
    ],
    (value) => context.set({ shape: value }),
  );
  context.watch(["shape", "photo"], () => {
    shape.select.value = context.get("shape");
    shape.hidden = context.get("photo").height === 1; // of a signal there is nothing above or below
  });
  return shape;
}

/** The controls of the occluder, and those that are rarely used: they stand below the photograph, or below the map. */
export function occluderControls(
  context: Context,
  below: "photo" | "occlusion_map",
): [usual: HTMLElement[], rare: HTMLElement[]] {
  const place = context.hides("photo") ? "occlusion_map" : "photo";
  if (below !== place) return [[], []];
  const usual = context.hides("size") ? [] : [sizeSlider(context)];
  if (context.hides("fill")) return [usual, []];
  return [[...usual, fillChoice(context)], context.live ? [shapeChoice(context)] : []];
}
