// What the page does in the browser by itself: folds say whether they are open, buttons copy text,
// lists of suggestions are used by keyboard.
() => {
  const folds = () => {
    for (const button of document.querySelectorAll('.gr-accordion > .label-wrap')) {
      const inside = button.nextElementSibling;
      const open = String(!!inside && inside.style.display !== 'none');
      if (button.getAttribute('aria-expanded') !== open) button.setAttribute('aria-expanded', open);
    }
  };
  let planned = false;
  const soon = () => {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => { planned = false; folds(); });
  };
  new MutationObserver(soon).observe(document.body, {
    subtree: true, childList: true, attributes: true, attributeFilter: ['style'],
  });
  folds();

  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('[data-copy]');
    if (!button) return;
    const said = button.textContent;
    navigator.clipboard?.writeText(button.dataset.copy).then(() => {
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = said; }, 1500);
    });
  });

  // A field with suggestions: arrow down goes into them, up and down move,
  // Escape and Enter close them.
  document.addEventListener('keydown', (event) => {
    const field = event.target.closest?.('.hm-search');
    if (!field) return;
    const options = [...field.querySelectorAll('.hm-found [data-pick]')];
    const now = options.indexOf(document.activeElement);
    if (event.key === 'Enter' && event.target.tagName === 'INPUT') {
      field.classList.add('hm-closed');
    } else if (event.key === 'Escape') {
      field.classList.add('hm-closed');
      field.querySelector('input')?.focus();
    } else if (event.key === 'ArrowDown' && options.length && !field.classList.contains('hm-closed')) {
      event.preventDefault();
      options[Math.min(now + 1, options.length - 1)].focus();
    } else if (event.key === 'ArrowUp' && now >= 0) {
      event.preventDefault();
      (now ? options[now - 1] : field.querySelector('input')).focus();
    }
  });
  for (const kind of ['input', 'focusin']) {
    document.addEventListener(kind, (event) => {
      if (event.target.tagName !== 'INPUT') return;
      event.target.closest('.hm-search')?.classList.remove('hm-closed');
    });
  }
}
