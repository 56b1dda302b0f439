// The row above all others, of views that look at an input: what the model is given.

import { inputsPane } from "../ui/inputs.ts";
import { t } from "../ui/text.ts";
import { type Pane, pane } from "./frame.ts";

export const inputsRow: Pane[] = [pane("inputs", () => t("inputs"), inputsPane)];
