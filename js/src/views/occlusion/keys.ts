// What the keys do in an experiment.

import type { Keys } from "../../shell/frame.ts";
import { t } from "../../ui/text.ts";

export const occlusionKeys = (): Keys => [
  [t("photograph: arrows"), t("move the occluder")],
  [t("photograph: click"), t("pin the occluder, or release it")],
  [t("photograph: Esc"), t("remove the occluder, or end painting")],
  [t("painting: arrows"), t("move the brush; with Shift it paints, and Space paints where it is")],
  [t("occlusion map: arrows"), t("step through the positions")],
  [t("occlusion map: click, Enter"), t("pin the occluder there, or release it")],
];
