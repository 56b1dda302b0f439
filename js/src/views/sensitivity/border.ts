// How far it is to another class, and the nearest image of another class beside what was changed.

import { coloured, flat, limitsIn, type Signed, tabled } from "../../draw/signed.ts";
import { signedOf } from "../../draw/texture.ts";
import { once, u8 } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import type { RowPhoto, Texture } from "../../model/traits.ts";
import { toolbar } from "../../ui/controls.ts";
import { h, pictured, say, textured } from "../../ui/dom.ts";
import { percent, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

export function borderPane(context: Context, _scene: Scene): HTMLElement {
  const waiting = h("div", { class: "nn-soft nn-empty" }, t("being computed"));
  const table = h("table", { class: "nn-table nn-reach" });
  const note = h(
    "div",
    { class: "nn-soft" },
    t(
      "DeepFool gives an upper bound: another image may be nearer. A line is followed to ten times the length of the input.",
    ),
  );
  context.watch(["adversarial"], () => {
    const found = context.get("adversarial");
    waiting.hidden = Boolean(found);
    table.hidden = !found;
    note.hidden = !found;
    if (!found) return;
    const head = [t("direction"), t("to another class"), t("of the input's length"), t("grey levels")];
    table.replaceChildren(
      h("thead", {}, h("tr", {}, ...head.map((words) => h("th", { scope: "col" }, words)))),
      h(
        "tbody",
        {},
        ...found.rows.map((row) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, row.name),
            h("td", {}, row.distance === null ? t("none") : short(row.distance, 2)),
            h("td", {}, row.share === null ? "" : percent(row.share)),
            h("td", {}, row.levels === null ? "" : short(row.levels, 2)),
          ),
        ),
      ),
    );
  });
  return h("div", {}, heading(t("how far to another class")), waiting, table, note);
}

export function adversarialPane(context: Context, scene: Scene): HTMLElement {
  const title = heading(t("the nearest image of another class"));
  const waiting = h("div", { class: "nn-soft nn-empty" }, t("being computed"));
  const canvas = h("canvas", { class: "nn-photo nn-plain", role: "img" });
  const change = h("canvas", { class: "nn-photo nn-plain", role: "img", "aria-label": t("what was changed") });
  const words = h("div", {});
  const about = h("div", { class: "nn-soft" });
  const slider = h("input", { type: "range", min: 0, max: 3, step: "any" });
  const shown = h("span", { class: "nn-soft nn-number" });
  const control = h("label", { class: "nn-control" }, h("span", {}, t("change times")), slider, shown);
  const body = h("div", { class: "nn-pair" }, h("div", {}, canvas), h("div", {}, change));
  let own: { raw: RowPhoto; image: HTMLImageElement } | null = null;
  context.listen(slider, "input", () =>
    context.set({ amplified: Number((10 ** Number(slider.value)).toPrecision(2)) }),
  );
  const signed = once((texture: Texture): Signed => signedOf(texture));

  const draw = () => {
    const found = context.get("adversarial");
    if (!found?.image || !found.difference) return;
    const factor = context.get("amplified");
    const texture = signed(found.difference);
    if (own?.raw !== found.image) own = { raw: found.image, image: pictured(u8(found.image.data), draw) };
    const photo = scene.photo.image;
    const { width, height } = context.get("photo");
    for (const one of [canvas, change]) one.style.setProperty("--nn-ratio", String(width / height));
    if (photo) {
      // The image with the change so many times as large: once it is the image that gets another class.
      canvas.width = width;
      canvas.height = height;
      const pen = canvas.getContext("2d")!;
      pen.drawImage(photo, 0, 0, width, height);
      const pixels = pen.getImageData(0, 0, width, height);
      const count = texture.rows * texture.columns;
      for (let row = 0; row < height; row++)
        for (let column = 0; column < width; column++) {
          const cell =
            Math.min(texture.rows - 1, Math.floor((row * texture.rows) / height)) * texture.columns +
            Math.min(texture.columns - 1, Math.floor((column * texture.columns) / width));
          for (let channel = 0; channel < 3; channel++) {
            const plane = texture.planes === 3 ? channel : 0;
            const level = ((texture.data[plane * count + cell] * texture.largest) / 127) * 255 * factor;
            pixels.data[4 * (row * width + column) + channel] += level;
          }
        }
      pen.putImageData(pixels, 0, 0);
    }
    const values = flat(texture, "signed");
    const limits = limitsIn(values, true);
    const made = textured(
      texture.colours ? coloured(texture, 0) : tabled(values, limits, scene.table(limits)),
      texture.rows,
      texture.columns,
    );
    change.width = made.width;
    change.height = made.height;
    change.getContext("2d")!.drawImage(made, 0, 0);
  };
  scene.photo.onLoad(draw);
  context.watch(["adversarial", "amplified", "labels", "photo"], () => {
    const found = context.get("adversarial");
    slider.value = String(Math.log10(context.get("amplified")));
    say(shown, short(context.get("amplified")));
    waiting.hidden = Boolean(found);
    const made = Boolean(found?.image);
    body.hidden = !made;
    control.hidden = !made;
    if (!found) return;
    const changed = t("{before} becomes {after}", {
      before: scene.label(found.before),
      after: scene.label(found.after),
    });
    say(words, found.before === found.after ? "" : changed);
    canvas.setAttribute("aria-label", changed);
    say(about, found.before === found.after ? found.about : "");
    draw();
  });
  context.onTheme(draw);
  const tools = context.hides("amplified") ? null : toolbar([control]);
  return h("div", {}, h("div", { class: "nn-head" }, title, tools), waiting, words, body, about);
}
