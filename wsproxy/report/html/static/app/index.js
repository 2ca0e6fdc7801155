// The page of many sessions: filters its table.

class SessionFilter {
  constructor(section) {
    this.rows = [...section.querySelectorAll("tbody tr")];
    this.texts = this.rows.map((row) => row.textContent.toLowerCase());
    this.text = document.getElementById("filter-text");
    this.outcome = document.getElementById("filter-outcome");
    this.count = document.getElementById("count");
    for (const value of new Set(this.rows.map((row) => row.dataset.outcome))) {
      this.outcome.append(make("option", { value }, value));
    }
    for (const input of [this.text, this.outcome]) input.addEventListener("input", () => this.#show());
    section.querySelector(".scripted").hidden = false;
    this.#show();
  }

  #show() {
    const text = this.text.value.trim().toLowerCase();
    const outcome = this.outcome.value;
    let shown = 0;
    this.rows.forEach((row, index) => {
      row.hidden = !this.texts[index].includes(text) || Boolean(outcome && row.dataset.outcome !== outcome);
      if (!row.hidden) shown += 1;
    });
    this.count.textContent = `${shown} of ${this.rows.length} sessions`;
  }
}

new SessionFilter(document.getElementById("sessions"));
document.documentElement.dataset.scripted = "";
