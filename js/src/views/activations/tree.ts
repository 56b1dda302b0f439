// The operations of a pass as a tree that folds by module.

import type { LayerEntry } from "../../model/traits.ts";
import { shape } from "../../ui/format.ts";
import { t } from "../../ui/text.ts";
import { kindName } from "../../ui/words.ts";

export interface Node {
  /** Unique: the path of a folder, or the name of an operation behind "=". */
  id: string;
  title: string;
  depth: number;
  entry: LayerEntry | null;
  children: Node[];
}

/** The folder of the modules that never ran. */
export const SILENT = "=never ran";

/** Folders in the order in which the pass first entered them; modules that never ran in one of their own. */
export function buildTree(entries: LayerEntry[]): Node {
  const root: Node = { id: "", title: "", depth: -1, entry: null, children: [] };
  const folders = new Map<string, Node>([["", root]]);
  const folder = (path: string): Node => {
    const known = folders.get(path);
    if (known) return known;
    const cut = path.lastIndexOf(".");
    const parent = folder(cut < 0 ? "" : path.slice(0, cut));
    const made: Node = {
      id: path,
      title: path.slice(cut + 1),
      depth: parent.depth + 1,
      entry: null,
      children: [],
    };
    parent.children.push(made);
    folders.set(path, made);
    return made;
  };
  const silent: Node = { id: SILENT, title: t("never ran"), depth: 0, entry: null, children: [] };
  for (const entry of entries) {
    const cut = entry.name.lastIndexOf(".");
    const parent = entry.not_run ? silent : folder(cut < 0 ? "" : entry.name.slice(0, cut));
    const title = entry.not_run ? entry.name : entry.name.slice(cut + 1);
    parent.children.push({ id: `=${entry.name}`, title, depth: parent.depth + 1, entry, children: [] });
  }
  if (silent.children.length) root.children.push(silent);
  return root;
}

/** The rows to show: with a filter, the operations that match all of its words; else what is unfolded. */
export function visible(root: Node, open: Set<string>, filter: string): Node[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows: Node[] = [];
  const walk = (node: Node) => {
    for (const child of node.children) {
      if (words.length) {
        if (child.entry && words.every((word) => text(child.entry!).includes(word))) rows.push({ ...child, depth: 0 });
      } else {
        rows.push(child);
        if (child.entry || !open.has(child.id)) continue;
      }
      walk(child);
    }
  };
  walk(root);
  return rows;
}

function text(entry: LayerEntry): string {
  return `${entry.name} ${entry.label ?? ""} ${entry.kind ?? ""} ${kindName(entry.kind ?? "")} ${entry.shape ? shape(entry.shape) : ""}`.toLowerCase();
}

/** The folders that must be open for the operation `name` to be seen. */
export function parents(name: string): string[] {
  const parts = name.split(".");
  return parts.slice(1).map((_, cut) => parts.slice(0, cut + 1).join("."));
}
