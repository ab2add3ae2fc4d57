"""What labs that train small models share: budgets, text, arms side by side, charts and tables."""
