// The unit's synthesised image, frame by frame.

import { u8 } from "../lib/arrays.ts";
import { type Context, NEEDS_KERNEL } from "../lib/context.ts";
import { choice, h, pictured, say, sized } from "../lib/dom.ts";
import { short } from "../lib/format.ts";
import type { Scene } from "../lib/scene.ts";

export function synthesisPane(context: Context, scene: Scene): HTMLElement {
  const pictures = h("div", { class: "nn-gallery" });
  const words = h("div", { "aria-live": "polite" });
  const against = h("div", { class: "nn-soft" });
  const progress = h("progress", { max: 1, hidden: true });
  const go = h("button", { type: "button" }, "synthesise");
  const goal = choice(
    "of",
    [
      ["channel", "the whole unit"],
      ["position", "one position"],
      ["class", "the target class"],
    ],
    (value) => context.set({ goal: value }),
  );
  const recipe = choice(
    "recipe",
    [
      ["fourier", "Fourier (Olah)"],
      ["yosinski", "pixels (Yosinski)"],
    ],
    (value) => context.set({ recipe: value }),
  );
  const several = choice(
    "images",
    ["1", "2", "3", "4"].map((count) => [count, count]),
    (value) => context.set({ several: Number(value) }),
  );
  const number = (name: string, least: number, most: number) => {
    const input = h("input", { type: "number", min: least, max: most, class: "nn-short" });
    context.listen(input, "change", () => {
      const value = Math.min(most, Math.max(least, Math.round(Number(input.value) || least)));
      input.value = String(value);
      context.set({ [name]: value });
    });
    return { input, label: h("label", { class: "nn-control" }, name, input) };
  };
  const [steps, seed] = [number("steps", 8, 1024), number("seed", 0, 999999)];
  const negative = choice(
    "answers",
    [
      ["most", "most"],
      ["least", "least"],
    ],
    (value) => context.set({ negative: value === "least" }),
  );
  const running = () => Boolean(context.get("synthesised")?.running);
  context.listen(go, "click", () =>
    running()
      ? context.set({ synthesis_stop: context.get<number>("synthesis_stop") + 1 })
      : context.set({ synthesise: context.get<number>("synthesise") + 1 }),
  );
  if (!context.live) {
    for (const control of [go, goal.select, recipe.select, several.select, steps.input, seed.input, negative.select]) {
      control.disabled = true;
      control.title = NEEDS_KERNEL;
    }
  }

  let shown: HTMLCanvasElement[] = [];
  let drawn: any;
  const draw = () => {
    const frame = context.get("synthesised");
    const mine =
      frame?.goal === "class"
        ? frame.target === scene.target
        : frame?.layer === context.get("layer") && frame?.unit === context.get("unit");
    goal.select.value = context.get("goal");
    recipe.select.value = context.get("recipe");
    several.select.value = String(context.get("several"));
    steps.input.value = String(context.get("steps"));
    seed.input.value = String(context.get("seed"));
    negative.select.value = context.get("negative") ? "least" : "most";
    say(go, running() ? "stop" : "synthesise");
    progress.hidden = !running();
    progress.value = frame?.step ? frame.step / frame.steps : 0;
    const asked = ["recipe", "negative"].every((name) => frame?.[name] === context.get(name));
    const alike = asked && frame?.pictures?.length === context.get("several");
    pictures.classList.toggle("nn-stale", !mine || !alike);
    pictures.hidden = !frame?.pictures;
    if (frame?.error) say(words, frame.error);
    else if (!frame?.pictures)
      say(words, running() ? "the first frame comes…" : "an image made from noise that the unit answers to most; some seconds");
    if (!frame?.pictures) {
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
    frame.pictures.forEach((bytes: any, place: number) => {
      const canvas = shown[place];
      const image = fresh && pictured(u8(bytes), () => {
        if (!image || drawn !== frame.pictures) return;
        const fit = 152 / Math.max(image.naturalWidth, image.naturalHeight);
        const [width, height] = [image.naturalWidth * fit, Math.max(8, image.naturalHeight * fit)];
        const pen = sized(canvas, width, height);
        canvas.style.width = `${width}px`;
        pen.imageSmoothingEnabled = fit < 1;
        pen.drawImage(image, 0, 0, width, height);
      });
      const said =
        frame.goal === "channel"
          ? `mean ${short(frame.values[place])}, max ${short(frame.peaks[place])}`
          : short(frame.values[place]);
      canvas.setAttribute("aria-label", `synthesised image of ${frame.objective}: ${said}`);
      say(canvas.nextElementSibling!, said);
    });
    const name = frame.goal === "class" ? scene.label(frame.target) : frame.objective;
    if (!frame.error) say(words, `${frame.negative ? "least" : "most"} of ${name} · ${frame.recipe} · step ${frame.step} of ${frame.steps}`);
    const examples = context.get("examples");
    const best = examples?.kind === "top" && scene.isOfUnit(examples) ? examples.items?.[0]?.value : undefined;
    against.hidden = best === undefined || frame.goal === "class" || !mine;
    if (!against.hidden)
      say(against, `its maximum is ${short(Math.max(...frame.peaks) / best, 2)} × that of the best image (${short(best)})`);
  };
  context.watch(
    ["synthesised", "goal", "recipe", "several", "steps", "seed", "negative", "layer", "unit", "target", "examples", "labels"],
    draw,
  );
  return h(
    "div",
    {},
    h("h4", {}, "synthesised"),
    h("div", { class: "nn-row" }, goal, recipe),
    h("div", { class: "nn-row" }, several, steps.label, seed.label, negative),
    h("div", { class: "nn-row" }, go, progress),
    pictures,
    words,
    against,
  );
}
