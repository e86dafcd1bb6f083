"use strict";
// Shows the exact text of the mark under the pointer or finger. Text only: nothing of it is parsed as HTML.
const tip = document.getElementById("tip");
const show = (event) => {
  const mark = event.target.closest("[data-tip]");
  tip.hidden = mark === null;
  if (mark === null) return;
  tip.textContent = mark.getAttribute("data-tip");
  const edge = 12, box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + edge, document.documentElement.clientWidth - box.width - edge);
  const above = event.clientY - box.height - edge;
  tip.style.left = `${Math.max(edge, left)}px`;
  tip.style.top = `${above > edge ? above : event.clientY + 2 * edge}px`;
};
document.addEventListener("pointermove", show);
document.addEventListener("pointerdown", show);
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
