// The traits as the panes draw them, by subject: decoded once, however many panes look.

import { type Limits, packTable, type Table } from "../draw/colors.ts";
import { t } from "../ui/text.ts";
import { className } from "../ui/words.ts";
import { once, u8 } from "./arrays.ts";
import type { Context } from "./context.ts";
import { Layer } from "./layer.ts";
import { Photo } from "./photo.ts";
import { Selected } from "./selected.ts";

export class Scene {
  readonly photo: Photo;
  readonly layer: Layer;
  readonly selected: Selected;

  readonly context: Context;

  constructor(context: Context) {
    this.context = context;
    this.photo = new Photo(context);
    this.layer = new Layer(context, (limits) => this.table(limits));
    this.selected = new Selected(context);
  }

  #decodeTables = once(
    (tables: Record<string, DataView>): Record<string, Table> =>
      Object.fromEntries(Object.entries(tables ?? {}).map(([name, rgb]) => [name, packTable(u8(rgb))])),
  );

  /** The colours for numbers within `limits`. */
  table(limits: Limits): Table {
    const tables = this.#decodeTables(this.context.get("color_tables"));
    return tables[limits[0] >= 0 ? "sequential" : this.context.dark ? "diverging_dark" : "diverging"];
  }

  get target(): number {
    return this.context.get("target");
  }

  /** The name of a class. */
  label(index: number): string {
    // Of a great many classes only the names of those that are shown are sent.
    const label = this.context.get("labels")[index] ?? this.context.get("shown_labels")?.[index];
    return label === undefined ? t("class {index}", { index }) : className(label);
  }
}
