"use strict";

/** An element with text or other elements in it. */
function made(tag, ...inside) {
  const element = document.createElement(tag);
  element.append(...inside);
  return element;
}

function rows(facts) {
  return made("table", ...facts.map(([name, ...cells]) =>
    made("tr", made("th", made("code", name)), ...cells.map((x) => made("td", x)))));
}

fetch("openapi.json").then((x) => x.json()).then((api) => {
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, each] of Object.entries(methods)) {
      const section = made("section", made("h2", made("code", `${method.toUpperCase()} ${path}`)), made("p", each.description ?? ""));
      if (each.requestBody) section.append(rows([["body", Object.keys(each.requestBody.content).join(", ")]]));
      if (each.parameters) section.append(rows(each.parameters.map((x) => [`?${x.name}`, x.description ?? JSON.stringify(x.schema)])));
      section.append(rows(Object.entries(each.responses).map(([status, x]) => [status, x.description])));
      document.getElementById("paths").append(section);
    }
  }
});
