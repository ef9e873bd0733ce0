"use strict";

const cart = new Map();
const price = (cents) => (cents / 100).toFixed(2);
const element = (id) => document.getElementById(id);

async function show() {
  const search = encodeURIComponent(element("search").value);
  const products = await (await fetch(`/products?search=${search}`)).json();
  const rows = products.map((product) => {
    const row = document.createElement("li");
    const [name, cost, button] = ["span", "span", "button"].map((tag) => row.appendChild(document.createElement(tag)));
    name.textContent = product.name;
    cost.textContent = price(product.price_cents);
    button.textContent = product.stock ? `Add ${product.name}` : "Sold out";
    button.disabled = !product.stock;
    button.onclick = () => add(product);
    return row;
  });
  element("products").replaceChildren(...rows);
}

function add(product) {
  const line = cart.get(product.sku) ?? { ...product, quantity: 0 };
  cart.set(product.sku, { ...line, quantity: line.quantity + 1 });
  const lines = [...cart.values()];
  element("cart").textContent = lines.map((one) => `${one.quantity} × ${one.name}`).join(", ");
  element("order").disabled = false;
}

async function order() {
  const items = [...cart.values()].map(({ sku, quantity }) => ({ sku, quantity }));
  const answer = await fetch("/orders", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ items }),
  });
  const body = await answer.json();
  document.querySelector("[role=status]").textContent = answer.ok
    ? `Ordered for ${price(body.total_cents)}.`
    : `Not ordered: ${body.error}.`;
}

element("search").oninput = show;
element("order").onclick = order;
show();
