// A canvas that is drawn on in pixels of the page, at the resolution of the screen.

/** A canvas that is ready to be drawn on; nothing while it is not shown. */
export function ready(canvas) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) {
    return null;
  }
  canvas.width = width * scale;
  canvas.height = height * scale;
  const style = getComputedStyle(canvas);
  const ink = canvas.getContext("2d");
  ink.scale(scale, scale);
  const size = parseFloat(style.fontSize) * 0.75;
  ink.font = `${size}px ${style.fontFamily}`;
  const colour = (name) => style.getPropertyValue(name).trim();
  return { ink, width, height, colour, size };
}
