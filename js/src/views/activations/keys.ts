// What the keys do in the layers and their units.

import type { Keys } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";

export const activationsKeys = (): Keys => [
  [t("layers: ↑ ↓"), t("choose an operation")],
  [t("layers: ← →"), t("fold and unfold")],
  [t("layers: /"), t("type to filter")],
  [t("mosaic: arrows"), t("choose a unit")],
  [t("mosaic: Enter, or a double click"), t("open its unit card")],
  [t("unit: arrows"), t("move the position")],
  [t("unit: o"), t("show the map over the photograph")],
];
