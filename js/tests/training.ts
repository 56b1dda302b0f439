// What a view of a training is given.

import type { Traits } from "../src/model/traits.ts";

const view = (bytes: Uint8Array) => new DataView(bytes.buffer);

export function watched() {
  const row = (name: string, values: Record<string, (number | null)[]>) => ({ name, values });
  return {
    watched: {
      count: 1200,
      running: true,
      stopping: true,
      share: 0.03,
      steps: [1, 10, 100, 1200],
      curves: [
        { name: "max", values: [4, 2, null, 0.01] },
        { name: "conv", values: [0, 0.5, 0.75, 1] },
      ],
      measured: [1, 10, 1200],
      layers: [
        row("relu", {
          zeros: [0.5, 0.6, 0.7],
          dead: [0, 0, 0],
          saturated: [null, null, null],
          size: [1, 2, 3],
          spread: [1, 1, 0.5],
        }),
      ],
      modules: [
        row("conv", {
          weight: [1, 1, 1],
          gradient: [1, 0.1, 1e-4],
          update: [null, 1, 1],
          ratio: [0.1, 0.01, 0.001],
          singular: [1, 1.5, 2],
          rank: [4, 3, 2],
        }),
      ],
      alarms: [{ step: 10, kind: "dead", words: "all that was found" }],
      checkpoints: [1, 10, 1200],
    },
    film: {
      layer: "relu",
      units: [3, 5],
      steps: [1, 10, 1200],
      rows: 2,
      columns: 2,
      low: 0,
      high: 2,
      codes: view(new Uint8Array(24).map((_, at) => at * 10)),
    },
    shown_step: 10,
    layer_figure: "zeros",
    film_layer: "relu",
    film_layers: ["relu"],
    stop_training: 0,
  } satisfies Partial<Traits>;
}
