// The page says everything without this script; it only adds the search fields.
"use strict";
for (const field of document.querySelectorAll("input[type=search]")) {
  const section = field.closest("section");
  const items = [...section.querySelectorAll(field.dataset.items)];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const count = section.querySelector("output");
  const search = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    items.forEach((item, index) => {
      const found = words.every((word) => texts[index].includes(word));
      item.hidden = !found;
      left += found;
    });
    for (const place of section.querySelectorAll("details.place")) {
      place.hidden = !place.querySelector(".card:not([hidden])");
    }
    count.textContent = words.length ? `${left} of ${items.length}` : "";
  };
  field.parentElement.hidden = false;
  field.addEventListener("input", search);
  if (field.value) search();
}
// Everything is on paper, whatever is folded on the screen.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    details.dataset.folded = "";
  }
});
addEventListener("afterprint", () => {
  for (const details of document.querySelectorAll("details[data-folded]")) {
    details.open = false;
    delete details.dataset.folded;
  }
});
