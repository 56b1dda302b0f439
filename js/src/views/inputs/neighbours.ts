// The nearest items of a data set: a click on one asks what makes the input similar to it.

import { u8 } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h, pictured, say } from "../../ui/dom.ts";
import { fixed } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";

export function neighboursPane(context: Context, scene: Scene): HTMLElement {
  const list = h("div", { class: "nn-inputs-list" });
  const note = h("div", { class: "nn-soft" });
  const pane = h("div", {}, heading(t("nearest neighbours")), list, note);
  context.watch(["neighbours", "labels", "target"], () => {
    const sent = context.get("neighbours") ?? null;
    pane.hidden = !sent;
    if (!sent) return;
    list.replaceChildren(
      ...sent.items.map((item, index) => {
        const name = scene.label(index);
        const button = h("button", {
          type: "button",
          class: "nn-neighbour",
          "aria-pressed": String(index === scene.target),
          title: name,
        });
        if (item.picture.byteLength) {
          const image = pictured(u8(item.picture), () => {});
          image.alt = "";
          button.append(image);
        }
        button.append(
          h("span", { class: "nn-name" }, name),
          h("span", { class: "nn-number" }, fixed(item.similarity, 2)),
        );
        context.listen(button, "click", () => context.set({ target: index }));
        return button;
      }),
    );
    const of = plural("{count} item", "{count} items", sent.total, { count: sent.total });
    say(note, t("cosine similarity of the embeddings, the most similar of {items}", { items: of }));
  });
  return pane;
}
