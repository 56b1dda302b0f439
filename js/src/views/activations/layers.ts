// The layer picker: every operation of the pass, as a tree that folds by module.

import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h } from "../../ui/dom.ts";
import { shape } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";
import { kindName } from "../../ui/words.ts";
import { buildTree, type Node, parents, SILENT, visible } from "./tree.ts";

export function layersPane(context: Context, _scene: Scene): HTMLElement {
  const filter = h("input", {
    type: "search",
    placeholder: t("filter…"),
    "aria-label": t("filter the operations"),
  });
  const list = h("div", { class: "nn-tree", role: "tree", "aria-label": t("operations of the pass") });
  const title = heading(t("layers"));
  let root: Node = buildTree([]);
  let rows: Node[] = [];
  let elements: HTMLElement[] = [];
  let focused = "";
  const open = new Set<string>();

  const allowed = () => context.choices("layer");
  const usable = (node: Node) =>
    node.entry !== null && !node.entry.not_run && (allowed()?.includes(node.entry.name) ?? true);
  const pick = (node: Node) => {
    if (usable(node) && node.entry!.name !== context.get("layer")) context.set({ layer: node.entry!.name });
  };
  const fold = (node: Node, unfold: boolean) => {
    if (unfold) open.add(node.id);
    else open.delete(node.id);
    render();
  };

  const render = () => {
    rows = visible(root, open, filter.value);
    const selected = context.get("layer");
    if (!rows.some((row) => row.id === focused))
      focused = rows.find((row) => row.entry?.name === selected)?.id ?? rows[0]?.id ?? "";
    const hadFocus =
      list.contains(list.ownerDocument.activeElement) ||
      list.contains((list.getRootNode() as ShadowRoot).activeElement);
    elements = rows.map((row) => {
      const { entry } = row;
      const unfolded = open.has(row.id);
      const element = h(
        "div",
        {
          role: "treeitem",
          class: "nn-node",
          style: `padding-left:${4 + row.depth * 12}px`,
          tabindex: row.id === focused ? 0 : -1,
          "aria-level": row.depth + 1,
          "aria-expanded": entry || !row.children.length ? null : String(unfolded),
          "aria-selected": entry ? String(entry.name === selected) : null,
          "aria-disabled": entry && !usable(row) ? "true" : null,
          title: entry?.not_run
            ? t("{name} did not run in this pass", { name: entry.name })
            : entry
              ? usable(row)
                ? `${entry.name} · ${kindName(entry.kind ?? "")}`
                : needsKernel()
              : row.id === SILENT
                ? row.title
                : row.id,
        },
        h("span", { class: "nn-twist" }, entry ? "" : unfolded ? "▾" : "▸"),
        h("span", { class: "nn-name" }, filter.value && entry ? entry.name : row.title),
        h(
          "span",
          { class: "nn-soft nn-kind" },
          entry?.label && entry.label !== row.title.replace(/:\d+$/, "") ? entry.label : "",
        ),
        h("span", { class: "nn-soft nn-shape" }, entry?.shape ? shape(entry.shape) : entry ? "" : String(count(row))),
      );
      element.addEventListener("click", () => {
        focused = row.id;
        if (entry) {
          pick(row);
          focus();
        } else fold(row, !open.has(row.id));
      });
      return element;
    });
    list.replaceChildren(...elements);
    if (!rows.length) list.append(h("div", { class: "nn-soft nn-empty" }, t("no operation matches")));
    if (hadFocus) focus();
  };
  const focus = () => {
    elements.forEach((element, index) => {
      const here = rows[index].id === focused;
      element.tabIndex = here ? 0 : -1;
      if (here) {
        element.focus({ preventScroll: true });
        reveal(element);
      }
    });
  };
  // Not scrollIntoView: that would scroll the whole notebook.
  const reveal = (element: HTMLElement) => {
    const [top, bottom] = [element.offsetTop, element.offsetTop + element.offsetHeight];
    if (top < list.scrollTop) list.scrollTop = top;
    else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  };
  const revealSelected = () => {
    const index = rows.findIndex((row) => row.entry?.name === context.get("layer"));
    if (index >= 0) requestAnimationFrame(() => elements[index] && reveal(elements[index]));
  };

  context.listen(list, "keydown", (event: KeyboardEvent) => {
    const at = rows.findIndex((row) => row.id === focused);
    const row = rows[at];
    if (!row) return;
    const move = (to: number) => {
      focused = rows[Math.min(rows.length - 1, Math.max(0, to))].id;
      focus();
      pick(rows.find((row) => row.id === focused)!);
    };
    const acts: Record<string, () => void> = {
      ArrowDown: () => move(at + 1),
      ArrowUp: () => move(at - 1),
      Home: () => move(0),
      End: () => move(rows.length - 1),
      ArrowRight: () => (row.entry ? undefined : open.has(row.id) ? move(at + 1) : fold(row, true)),
      ArrowLeft: () => {
        if (!row.entry && open.has(row.id)) fold(row, false);
        else for (let up = at - 1; up >= 0; up--) if (rows[up].depth < row.depth) return move(up);
      },
      Enter: () => (row.entry ? pick(row) : fold(row, !open.has(row.id))),
      "/": () => filter.focus(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  });
  context.listen(filter, "input", () => {
    render();
    revealSelected();
  });
  context.listen(filter, "keydown", (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      focused = rows[0]?.id ?? "";
      focus();
    }
  });
  context.watch(["tree"], () => {
    root = buildTree(context.get("tree"));
    const ran = context.get("tree").filter((entry) => !entry.not_run).length;
    title.title = plural("{count} operation ran", "{count} operations ran", ran);
  });
  context.watch(["tree", "layer"], () => {
    const layer = context.get("layer");
    for (const id of parents(layer)) open.add(id);
    focused = `=${layer}`;
    render();
    revealSelected();
  });
  const head = h("div", { class: "nn-head" }, title, !context.hides("filter") && filter);
  return h("div", { class: "nn-grows" }, head, list);
}

function count(node: Node): number {
  return node.children.reduce((sum, child) => sum + (child.entry ? 1 : count(child)), 0);
}
