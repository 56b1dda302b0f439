// Images from the browser: dropped, pasted, opened from a file, taken with the webcam.

import { ImageUp } from "lucide";
import type { Context } from "../model/context.ts";
import { iconButton } from "../ui/controls.ts";
import { h } from "../ui/dom.ts";
import { t } from "../ui/text.ts";

const LARGEST = 8_000_000; // bytes; a larger picture is made smaller first

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

async function send(context: Context, file: Blob, name: string): Promise<void> {
  try {
    context.set({ upload: { name, data: await imageBytes(file) } });
  } catch (error) {
    context.fail(t("could not read {name}: {error}", { name, error: String(error) }));
  }
}

/** Take images that are dropped on the view or pasted into it. */
export function takeImages(context: Context): void {
  const { root } = context;
  if (!context.live || context.hides("open")) return;
  context.listen(root, "dragover", (event) => {
    event.preventDefault();
    event.stopPropagation();
    root.classList.add("nn-drop");
  });
  context.listen(root, "dragleave", () => root.classList.remove("nn-drop"));
  context.listen(root, "drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    root.classList.remove("nn-drop");
    const file = event.dataTransfer?.files[0];
    if (file) send(context, file, file.name);
  });
  context.listen(root, "paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((candidate) => candidate.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    send(context, file, file.name || t("pasted image"));
  });
}

/** The button that opens a file as another image; null where there is no kernel to look at it. */
export function openButton(context: Context): HTMLElement | null {
  if (!context.live || context.hides("open")) return null;
  const input = h("input", { type: "file", accept: "image/*", hidden: true });
  context.listen(input, "change", () => {
    if (input.files?.[0]) send(context, input.files[0], input.files[0].name);
    input.value = "";
  });
  const open = iconButton(ImageUp, t("open image…"), () => input.click());
  open.title = t("open an image; or drop or paste one anywhere on this view");
  return h("span", {}, open, input);
}

/** The button that takes a frame of the webcam. */
export function webcamButton(context: Context): HTMLElement | null {
  const films = navigator.mediaDevices && "getUserMedia" in navigator.mediaDevices;
  if (!context.live || !films || context.hides("webcam")) return null;
  const camera = h("button", { type: "button", onclick: () => takeFrame(context, camera) }, t("webcam"));
  return camera;
}

async function takeFrame(context: Context, button: HTMLButtonElement): Promise<void> {
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
    await send(context, blob, t("webcam"));
  } catch (error) {
    context.fail(t("the webcam gave no picture: {error}", { error: String(error) }));
  } finally {
    for (const track of stream?.getTracks() ?? []) track.stop();
    button.disabled = false;
  }
}
