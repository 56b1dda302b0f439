import { call, displayOptions, occluderOptions, targetOption } from "../../shell/code.ts";
import { view } from "../../shell/frame.ts";
import { inputsRow, resultPanes } from "../../shell/inputs.ts";
import { occlusionKeys } from "./keys.ts";
import { experimentPanes } from "./panes.ts";

export default view({
  name: "occlusion",
  rows: [inputsRow, experimentPanes, [resultPanes]],
  keys: occlusionKeys,
  code: (context, scene) =>
    call(context, "occlusion", [targetOption(context, scene), ...occluderOptions(context), ...displayOptions(context)]),
});
