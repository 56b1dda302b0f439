// The frame around the panes: theme, errors, images from outside, the status line, help.

import { Context, type Model } from "../lib/context.ts";
import { h, row, say } from "../lib/dom.ts";
import { Scene } from "../lib/scene.ts";

export type Pane = (context: Context, scene: Scene) => HTMLElement;

/** A pane with its name for `hide`. */
export function part(name: string, title: string, pane: Pane): Pane {
  return (context, scene) => {
    if (context.hides(name)) return h("div", { hidden: true });
    const body = pane(context, scene);
    body.classList.add("nn-pane");
    body.dataset.part = name;
    body.setAttribute("role", "group");
    body.setAttribute("aria-label", title);
    return body;
  };
}

function isDark(element: HTMLElement): boolean {
  const light = document.body.dataset.jpThemeLight;
  if (light !== undefined) return light === "false";
  const set = document.body.dataset.theme ?? document.documentElement.dataset.theme;
  if (
    set === "dark" ||
    document.body.classList.contains("dark") ||
    document.documentElement.classList.contains("dark")
  )
    return true;
  for (let node: Element | null = element.parentElement; node; node = node.parentElement) {
    const [r, g, b, alpha = 1] = (getComputedStyle(node).backgroundColor.match(/[\d.]+/g) ?? []).map(Number);
    if (r !== undefined && alpha > 0.5) return 0.3 * r + 0.6 * g + 0.1 * b < 110;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** The AFM render function of a widget: its panes, column by column, in a frame. */
export function widget(name: string, method: string, columns: Pane[][], keys: [string, string][], below: Pane[] = []) {
  return ({ model, el }: { model: Model; el: HTMLElement }) => {
    const root = h("div", { class: `nnlens nn-${name}` });
    const context = new Context(model, root);
    const scene = new Scene(context);
    el.append(root);
    const setTheme = () => {
      const theme = isDark(root) ? "dark" : "light";
      if (root.dataset.theme === theme) return;
      root.dataset.theme = theme;
      root.dispatchEvent(new Event("nn-theme"));
    };
    setTheme();
    const themes = new MutationObserver(setTheme);
    for (const node of [document.body, document.documentElement]) themes.observe(node, { attributes: true });
    const media = matchMedia("(prefers-color-scheme: dark)");
    media.addEventListener("change", setTheme);
    context.onStop(() => {
      themes.disconnect();
      media.removeEventListener("change", setTheme);
    });
    // The notebook must not take the keys that the panes understand. It looks at the focused element first,
    // and before any listener here hears of the key.
    context.listen(root, "focusin", ({ target }: FocusEvent) =>
      (target as Element).setAttribute("data-lm-suppress-shortcuts", "true"),
    );
    context.listen(root, "keydown", (event: KeyboardEvent) => event.stopPropagation());
    root.append(
      errors(context),
      changes(context),
      h(
        "div",
        { class: "nn-columns" },
        ...columns.map((panes) => column(panes.map((pane) => pane(context, scene)))),
      ),
      ...below.map((pane) => pane(context, scene)),
      footer(context, scene, method, keys),
    );
    takeImages(context, root);
    // Colours of the style sheet are known only once the root stands in the page.
    if (!root.isConnected && typeof ResizeObserver !== "undefined") {
      const attached = new ResizeObserver(() => {
        attached.disconnect();
        root.dispatchEvent(new Event("nn-theme"));
      });
      attached.observe(root);
      context.onStop(() => attached.disconnect());
    }
    return () => {
      context.stop();
      root.remove();
    };
  };
}

/** Panes in columns, below the others. */
export function grid(name: string, columns: Pane[][]): Pane {
  return (context, scene) =>
    h(
      "div",
      { class: `nn-columns nn-${name}-columns` },
      ...columns.map((panes) => column(panes.map((pane) => pane(context, scene)))),
    );
}

/** Panes to show inside another view, with its context and scene. */
export function inside(panes: Pane[]): (context: Context, scene: Scene) => HTMLElement[] {
  return (context, scene) => panes.map((pane) => pane(context, scene));
}

function column(panes: HTMLElement[]): HTMLElement {
  return h("div", { class: "nn-column", hidden: panes.every((pane) => pane.hidden) }, ...panes);
}

function errors(context: Context): HTMLElement {
  const message = h("span");
  const trace = h("pre");
  const details = h("details", {}, h("summary", {}, "traceback"), trace);
  const close = h(
    "button",
    { type: "button", "aria-label": "dismiss", onclick: () => context.set({ error: null }) },
    "×",
  );
  const box = h(
    "div",
    { class: "nn-error", role: "alert", hidden: true },
    h("div", {}, message, close),
    details,
  );
  context.watch(["error"], () => {
    const error = context.get("error");
    box.hidden = !error;
    say(message, error?.message ?? "");
    say(trace, error?.traceback ?? "");
    details.hidden = !error?.traceback;
  });
  return box;
}

/** Says that what is shown is old: of a model that has changed since, or of a kernel that does not answer. */
function changes(context: Context): HTMLElement {
  const words = h("span", { class: "nn-grow" });
  const button = h("button", { type: "button" }, "compute again");
  context.listen(button, "click", () => context.set({ refresh: context.get<number>("refresh") + 1 }));
  const box = h("div", { class: "nn-changed nn-row", role: "status", hidden: true }, words, button);
  const tell = () => {
    box.hidden = !context.silent && !(context.live && context.get("stale"));
    button.hidden = context.silent;
    say(
      words,
      context.silent
        ? "The kernel does not answer. It may be running a cell; if it was restarted, run the cell of this view again."
        : "The model has changed since this was computed.",
    );
    context.root.classList.toggle("nn-old", !box.hidden);
  };
  context.watch(["stale"], tell);
  context.onSilence(tell);
  return box;
}

const LARGEST = 8_000_000;

/** An image as bytes to send; a very large one is made smaller first. */
async function imageBytes(file: Blob): Promise<DataView> {
  let blob = file;
  if (file.size > LARGEST) {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, 2048 / Math.max(bitmap.width, bitmap.height));
    const canvas = h("canvas", {
      width: Math.round(bitmap.width * scale),
      height: Math.round(bitmap.height * scale),
    });
    canvas.getContext("2d")!.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    blob = await new Promise((done) => canvas.toBlob((made) => done(made!), "image/jpeg", 0.95));
  }
  return new DataView(await blob.arrayBuffer());
}

export async function send(context: Context, file: Blob, name: string): Promise<void> {
  try {
    context.set({ upload: { name, data: await imageBytes(file) } });
  } catch (error) {
    context.set({ error: { message: `the browser could not read ${name}: ${error}`, traceback: "" } });
  }
}

function takeImages(context: Context, root: HTMLElement): void {
  if (!context.live || context.hides("open")) return;
  context.listen(root, "dragover", (event: DragEvent) => {
    event.preventDefault();
    event.stopPropagation();
    root.classList.add("nn-drop");
  });
  context.listen(root, "dragleave", () => root.classList.remove("nn-drop"));
  context.listen(root, "drop", (event: DragEvent) => {
    event.preventDefault();
    event.stopPropagation();
    root.classList.remove("nn-drop");
    const file = event.dataTransfer?.files[0];
    if (file) send(context, file, file.name);
  });
  context.listen(root, "paste", (event: ClipboardEvent) => {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    send(context, file, file.name || "pasted image");
  });
}

/** The buttons that bring another image: a file, a frame of the webcam. */
export function imageButtons(context: Context): HTMLElement | null {
  if (!context.live) return null;
  const input = h("input", { type: "file", accept: "image/*", hidden: true });
  context.listen(input, "change", () => {
    if (input.files?.[0]) send(context, input.files[0], input.files[0].name);
    input.value = "";
  });
  const open = h("button", { type: "button", onclick: () => input.click() }, "open image…");
  open.title = "or drop an image anywhere here, or paste one";
  const films = navigator.mediaDevices && "getUserMedia" in navigator.mediaDevices && !context.hides("webcam");
  const camera = h("button", { type: "button", onclick: () => frame(context, camera) }, "webcam");
  const opens = !context.hides("open");
  return row(opens && open, opens && input, films && camera);
}

async function frame(context: Context, button: HTMLButtonElement): Promise<void> {
  button.disabled = true;
  let stream: MediaStream | null = null;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: true });
    const video = h("video", { muted: true });
    video.srcObject = stream;
    await video.play();
    await new Promise((done) => setTimeout(done, 400)); // a camera's first frames are dark
    const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d")!.drawImage(video, 0, 0);
    const blob = await new Promise<Blob>((done) => canvas.toBlob((made) => done(made!), "image/png"));
    await send(context, blob, "webcam");
  } catch (error) {
    context.set({ error: { message: `the webcam gave no picture: ${error}`, traceback: "" } });
  } finally {
    for (const track of stream?.getTracks() ?? []) track.stop();
    button.disabled = false;
  }
}

function footer(context: Context, scene: Scene, method: string, keys: [string, string][]): HTMLElement {
  const status = h("span", { class: "nn-grow", "aria-live": "off" });
  const note = h("div", { class: "nn-note", hidden: true });
  const tell = () => {
    const parts = [context.get("photo")?.name];
    if (context.get("mosaic")?.layer) parts.push(context.get("layer"), `unit ${context.get("unit")}`);
    const took = context.get("occluded")?.ms;
    if (took) parts.push(`${took.toFixed(0)} ms`);
    const now = context.silent ? "no answer" : context.get("busy") || "kernel live";
    parts.push(context.live ? now : "saved page, no kernel");
    say(status, parts.filter(Boolean).join(" · "));
    say(note, context.get("note"));
    note.hidden = !context.get("note");
  };
  context.watch(["layer", "unit", "busy", "occluded", "note", "photo"], tell);
  context.onSilence(tell);
  const help = h("dl", { class: "nn-help", hidden: true });
  for (const [key, what] of keys) help.append(h("dt", {}, key), h("dd", {}, what));
  const ask = h("button", { type: "button", "aria-expanded": "false", "aria-label": "keys" }, "?");
  const toggle = (open: boolean): void => {
    help.hidden = !open;
    ask.setAttribute("aria-expanded", String(open));
  };
  context.listen(ask, "click", () => toggle(help.hidden === true));
  context.listen(context.root, "keydown", (event: KeyboardEvent) => {
    if (event.key === "?" && !(event.target instanceof HTMLInputElement)) toggle(help.hidden === true);
  });
  const line = h("div", { class: "nn-row nn-status" }, status);
  if (!context.hides("code")) line.append(copyButton(context, scene, method));
  line.append(ask);
  return h("div", { class: "nn-footer" }, note, line, help);
}

/** The state as a line of Python. */
export function asCode(context: Context, scene: Scene, method: string): string {
  const words = (text: string) => JSON.stringify(text);
  const { path } = context.get("photo");
  const label = scene.label(scene.target);
  const unique = context.get<string[]>("labels").filter((name) => name === label).length === 1;
  const options = [`target=${unique ? words(label) : scene.target}`];
  if (context.get("mosaic")?.layer) options.push(`layer=${words(context.get("layer"))}`, `unit=${context.get("unit")}`);
  if (method === "explore" || method === "activations") options.push(`sort=${words(context.get("sort"))}`);
  if (method === "explore" && context.get("card")) options.push("card=True");
  if (method === "unit") {
    options.push(`rule=${words(context.get("rule"))}`);
    const position = context.get<number[] | null>("position");
    if (position) options.push(`position=(${position.join(", ")})`);
  }
  if (context.get("sizes")?.length)
    {
    options.push(`size=${context.get("size")}`, `stride=${context.get("stride")}`, `fill=${words(context.get("fill"))}`);
    if (context.get("shape") === "circle") options.push('shape="circle"');
    options.push(`score=${words(context.get("score"))}`);
  }
  const grid = context.get<number[] | "strip" | null>("grid");
  if (grid) options.push(`grid=${Array.isArray(grid) ? `(${grid.join(", ")})` : words(grid)}`);
  options.push(`scale=${words(context.get("scale"))}`);
  if (method === "attribution") return attributionCode(context, path ? words(path) : "image");
  if (method === "examples") return `view = lens.examples(dataset, layers=${words(context.get("collection").layers)})`;
  // What came as a file is named; what came as pixels is for the reader to put in.
  return `view = lens.${method}(${path ? words(path) : "image"}, ${options.join(", ")})`;
}

function attributionCode(context: Context, image: string): string {
  const rows = context.get<any[]>("rows");
  const targets = rows.some((row) => row.photo) ? [] : rows.map((row) => JSON.stringify(row.label));
  const options = [`methods=${JSON.stringify(context.get("methods"))}`];
  if (targets.length) options.push(`target=${targets.length > 1 ? `[${targets.join(", ")}]` : targets[0]}`);
  for (const name of ["samples", "segments", "width", "seed"]) options.push(`${name}=${context.get(name)}`);
  options.push(`segmentation=${JSON.stringify(context.get("segmentation"))}`);
  if (context.get("cam_layer")) options.push(`layer=${JSON.stringify(context.get("cam_layer"))}`);
  return `view = lens.attribution(${image}, ${options.join(", ")})`;
}

function copyButton(context: Context, scene: Scene, method: string): HTMLElement {
  const button = h("button", { type: "button" }, "copy as code");
  const field = h("textarea", {
    class: "nn-code",
    readonly: true,
    rows: 2,
    hidden: true,
    "aria-label": "this state as code",
  });
  context.listen(button, "click", async () => {
    field.value = asCode(context, scene, method);
    try {
      await navigator.clipboard.writeText(field.value);
      say(button, "copied");
      setTimeout(() => say(button, "copy as code"), 1500);
    } catch {
      // No clipboard here (a page from a file, say): show the text, selected.
      field.hidden = false;
      field.focus();
      field.select();
    }
  });
  return h("span", { class: "nn-row" }, field, button);
}
