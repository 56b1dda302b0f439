// The unit's synthesised image, frame by frame.

import { u8 } from "../../model/arrays.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, pictured, say, sized } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { heading, picturePane } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";
import { workLine } from "../../ui/work.ts";

export function synthesisPane(context: Context, scene: Scene): HTMLElement {
  const pictures = h("div", { class: "nn-gallery" });
  const words = h("div", { class: "nn-name", "aria-live": "polite" });
  const against = h("div", { class: "nn-soft nn-name" });
  const waiting = h("div", { class: "nn-soft nn-empty" });
  const work = workLine(
    () => context.request("synthesis_stop"),
    () => context.request("synthesis_run"),
  );
  const go = h("button", { type: "button" }, t("synthesise"));
  const goal = choice(
    t("of"),
    [
      ["channel", t("the whole unit")],
      ["position", t("one position")],
      ["class", t("the target class")],
    ],
    (value) => context.set({ goal: value }),
  );
  const recipe = choice(
    t("recipe"),
    [
      ["fourier", t("Fourier (Olah)")],
      ["yosinski", t("pixels (Yosinski)")],
    ],
    (value) => context.set({ recipe: value }),
  );
  const several = choice(
    t("images"),
    ["1", "2", "3", "4"].map((count) => [count, count]),
    (value) => context.set({ count: Number(value) }),
  );
  const number = (name: "steps" | "seed", words: string, least: number, most: number) => {
    const input = h("input", { type: "number", min: least, max: most, class: "nn-short" });
    context.listen(input, "change", () => {
      const value = Math.min(most, Math.max(least, Math.round(Number(input.value) || least)));
      input.value = String(value);
      context.set({ [name]: value });
    });
    return { input, label: h("label", { class: "nn-control" }, h("span", { class: "nn-label" }, words), input) };
  };
  const [steps, seed] = [number("steps", t("steps"), 8, 1024), number("seed", t("seed"), 0, 999999)];
  const negative = choice(
    t("objective"),
    [
      ["most", t("maximise")],
      ["least", t("minimise")],
    ],
    (value) => context.set({ negative: value === "least" }),
  );
  const running = () => Boolean(context.get("synthesis")?.running);
  context.listen(go, "click", () => context.request("synthesis_run"));
  if (!context.live) {
    for (const control of [go, goal.select, recipe.select, several.select, steps.input, seed.input, negative.select]) {
      control.disabled = true;
      control.title = needsKernel();
    }
  }

  let shown: HTMLCanvasElement[] = [];
  let drawn: DataView[] | null = null;
  const draw = () => {
    const payload = context.get("synthesis");
    const frame = payload?.frame ?? null;
    const mine = payload?.goal === "class" ? payload.target === scene.target : scene.selected.is(payload);
    goal.select.value = context.get("goal");
    recipe.select.value = context.get("recipe");
    several.select.value = String(context.get("count"));
    steps.input.value = String(context.get("steps"));
    seed.input.value = String(context.get("seed"));
    negative.select.value = context.get("negative") ? "least" : "most";
    go.disabled = !context.live || running();
    const { step, steps: of } = frame ?? { step: 0, steps: 0 };
    work.show({
      words: running() && frame ? t("step {step} of {steps}", { step, steps: of }) : "",
      share: frame ? step / of : null,
      running: running(),
    });
    const asked = frame?.recipe === context.get("recipe") && frame.negative === context.get("negative");
    pictures.classList.toggle("nn-stale", !mine || !asked || frame.pictures.length !== context.get("count"));
    pictures.hidden = !frame;
    waiting.hidden = Boolean(frame);
    say(
      waiting,
      running()
        ? t("waiting for the first frame…")
        : t("synthesise makes an input that maximises the unit's activation, from noise; it takes a few seconds"),
    );
    if (payload?.error) say(words, payload.error);
    if (!payload || !frame) {
      against.hidden = true;
      return;
    }
    // A frame is decoded once, whatever else changes; one that comes late must not cover a later one.
    const fresh = frame.pictures !== drawn;
    drawn = frame.pictures;
    if (shown.length !== frame.pictures.length) {
      shown = frame.pictures.map(() => h("canvas", { role: "img" }));
      pictures.replaceChildren(...shown.map((canvas) => h("figure", {}, canvas, h("figcaption"))));
    }
    frame.pictures.forEach((bytes, index) => {
      const canvas = shown[index];
      const image =
        fresh &&
        pictured(u8(bytes), () => {
          if (!image || drawn !== frame.pictures) return;
          const fit = 152 / Math.max(image.naturalWidth, image.naturalHeight);
          const [width, height] = [image.naturalWidth * fit, Math.max(8, image.naturalHeight * fit)];
          const pen = sized(canvas, width, height);
          canvas.style.width = `${width}px`;
          pen.imageSmoothingEnabled = fit < 1;
          pen.drawImage(image, 0, 0, width, height);
        });
      const said =
        payload.goal === "channel"
          ? t("mean {mean}, max {max}", { mean: short(frame.values[index]), max: short(frame.peaks[index]) })
          : short(frame.values[index]);
      canvas.setAttribute(
        "aria-label",
        t("synthesised input of {what}: {values}", { what: frame.objective, values: said }),
      );
      say(canvas.nextElementSibling!, said);
    });
    const name = payload.goal === "class" ? scene.label(payload.target) : frame.objective;
    const made = { what: name, recipe: frame.recipe, step: frame.step, steps: frame.steps };
    if (!payload.error)
      say(
        words,
        frame.negative
          ? t("minimises {what} · {recipe} · step {step} of {steps}", made)
          : t("maximises {what} · {recipe} · step {step} of {steps}", made),
      );
    const examples = context.get("examples");
    const top =
      examples && "items" in examples && examples.kind === "top" && scene.selected.is(examples) ? examples : null;
    const best = top?.items[0]?.value;
    against.hidden = best === undefined || payload.goal === "class" || !mine;
    if (best !== undefined && !against.hidden)
      say(
        against,
        t("its maximum is {ratio} × that of the best image ({best})", {
          ratio: short(Math.max(...frame.peaks) / best, 2),
          best: short(best),
        }),
      );
    for (const line of [words, against]) line.title = line.textContent ?? "";
  };
  context.watch(
    [
      "synthesis",
      "goal",
      "recipe",
      "count",
      "steps",
      "seed",
      "negative",
      "layer",
      "unit",
      "target",
      "examples",
      "labels",
    ],
    draw,
  );
  const tools = toolbar([go, goal], [recipe, several, steps.label, seed.label, negative]);
  const picture = h("div", { class: "nn-framed nn-synthesis" }, pictures, waiting);
  return picturePane(heading(t("synthesis")), picture, [words, against], work.parts, tools);
}
