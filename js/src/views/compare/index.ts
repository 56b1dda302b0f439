import { i32 } from "../../model/arrays.ts";
import type { Context, TraitName } from "../../model/context.ts";
import { experimentOf } from "../../model/experiment.ts";
import { facet } from "../../model/facet.ts";
import { Scene } from "../../model/scene.ts";
import { call, layerOptions, occluderOptions, quoted, targetOption } from "../../shell/code.ts";
import { pane, trio, view } from "../../shell/frame.ts";
import { choice } from "../../ui/controls.ts";
import { h, say } from "../../ui/dom.ts";
import { t } from "../../ui/text.ts";
import { activationsKeys } from "../activations/keys.ts";
import { layersPane } from "../activations/layers.ts";
import { mosaicPane, type Ordering } from "../activations/mosaic.ts";
import { unitPane } from "../activations/unit.ts";
import { occlusionKeys } from "../occlusion/keys.ts";
import { occlusionMapPane } from "../occlusion/occlusion_map.ts";
import { photoPane } from "../occlusion/photo.ts";
import { comparedBarsPane } from "./bars.ts";
import { checkpointsPane } from "./checkpoints.ts";

const OWN = [
  "photo",
  "scores",
  "meaning",
  "mosaic",
  "unit_map",
  "occlusion_map",
  "occluded",
  "fill_color",
  "size_curve",
];

interface Sides {
  second: [Context, Scene];
  difference: [Context, Scene];
}

const sides = new WeakMap<Context, Sides>();

/** The contexts of the second side and of the differences, made once for each view. */
function sidesOf(context: Context): Sides {
  const known = sides.get(context);
  if (known) return known;
  const second = facet(context, Object.fromEntries(OWN.map((name) => [name, `second_${name}` as TraitName])));
  const difference = facet(
    context,
    {
      mosaic: "difference_mosaic",
      unit_map: "difference_unit_map",
      occlusion_map: "difference_occlusion_map",
    },
    // Differences have a scale of their own, and no photograph below them.
    { scale: "layer", limits: null, overlay: false },
  );
  [context.side, second.side, difference.side] = [t("first side"), t("second side"), t("difference")];
  const made: Sides = { second: [second, new Scene(second)], difference: [difference, new Scene(difference)] };
  sides.set(context, made);
  return made;
}

/** The units in the same order on all sides. */
function orderingOf(context: Context, withControl: boolean): Ordering {
  const sort = choice(
    t("sort"),
    [
      ["difference", t("difference")],
      ["index", t("index")],
    ],
    (value) => context.set({ sort_by_difference: value === "difference" }),
  );
  context.watch(["sort_by_difference"], () => {
    sort.select.value = context.get("sort_by_difference") ? "difference" : "index";
  });
  return {
    control: withControl && !context.hides("sort") ? sort : null,
    traits: ["sort_by_difference", "difference_order"],
    places: ({ units }) => {
      const order = context.get("difference_order");
      if (context.get("sort_by_difference") && order?.byteLength === 4 * units) return i32(order);
      return Int32Array.from({ length: units }, (_, unit) => unit);
    },
  };
}

export default view({
  name: "compare",
  prepare: sidesOf,
  rows: [
    [pane("checkpoints", () => t("checkpoints"), checkpointsPane)],
    [
      pane("photo", () => t("first side, with an occluder"), photoPane),
      pane(
        "photo",
        () => t("second side, with the same occluder"),
        (context) => photoPane(...sidesOf(context).second, false),
      ),
      pane(
        "bars",
        () => t("classes of both sides"),
        (context, scene) => {
          const [other, theirs] = sidesOf(context).second;
          return comparedBarsPane(context, other, scene, [scene, theirs]);
        },
      ),
    ],
    [
      pane("layers", () => t("layer picker"), layersPane),
      trio(
        pane(
          "mosaic",
          () => t("activations of the first side"),
          (context, scene) => mosaicPane(context, scene, orderingOf(context, true)),
        ),
        pane(
          "mosaic",
          () => t("activations of the second side"),
          (context) => mosaicPane(...sidesOf(context).second, orderingOf(context, false)),
        ),
        pane(
          "mosaic",
          () => t("differences of the activations"),
          (context) => {
            const body = mosaicPane(...sidesOf(context).difference, orderingOf(context, false));
            const problem = h("div", { class: "nn-soft nn-empty" });
            context.watch(["difference_problem"], () => {
              say(problem, context.get("difference_problem"));
              problem.hidden = !problem.textContent;
              body.hidden = !problem.hidden;
            });
            return h("div", { class: "nn-grows" }, body, problem);
          },
        ),
      ),
    ],
    [
      trio(
        pane(
          "occlusion_map",
          () => t("occlusion map of the first side"),
          (context, scene) =>
            occlusionMapPane(context, scene, { beside: () => experimentOf(sidesOf(context).second[1]).map }),
        ),
        pane(
          "occlusion_map",
          () => t("occlusion map of the second side"),
          (context, scene) =>
            occlusionMapPane(...sidesOf(context).second, { beside: () => experimentOf(scene).map, bare: true }),
        ),
        pane(
          "occlusion_map",
          () => t("difference of the occlusion maps"),
          (context) => occlusionMapPane(...sidesOf(context).difference, { difference: true, bare: true }),
        ),
      ),
      trio(
        pane("unit", () => t("selected unit on the first side"), unitPane),
        pane(
          "unit",
          () => t("selected unit on the second side"),
          (context) => unitPane(...sidesOf(context).second),
        ),
        pane(
          "unit",
          () => t("difference of the selected unit"),
          (context) => unitPane(...sidesOf(context).difference),
        ),
      ),
    ],
  ],
  keys: () => [...occlusionKeys(), ...activationsKeys()],
  code: (context, scene) => {
    const options = [targetOption(context, scene), ...layerOptions(context), ...occluderOptions(context)];
    if (context.get("of_models"))
      return call(context, "compare", options).replace("lens.compare(", "nnlens.compare(first, second, ");
    const { path } = sidesOf(context).second[0].get("photo");
    return call(context, "compare", [path ? quoted(path) : "image", ...options]);
  },
});
