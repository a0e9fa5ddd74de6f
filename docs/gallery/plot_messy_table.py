"""
CSV files with text, dates and missing values
=============================================

Real tables contain text, dates, missing values and decimal commas. pandas reads
the file, a scikit-learn pipeline converts its columns to numbers, and the
network is trained on them. ``python -m moonnet --csv FILE --target COLUMN``
builds such a pipeline for any CSV file, and writes its Python code.

See also: :class:`~moonnet.preprocessing.DateEncoder` and
:class:`~moonnet.KerasMoonClassifier`; :doc:`/guide/csv_files` and
:doc:`/guide/saving`.
"""

# %%
# The file lists deliveries. Its columns are separated by semicolons, numbers
# have decimal commas, some weights are missing, and each row has an order
# number.

import io
from datetime import date, timedelta

import numpy as np
import pandas as pd
import skops.io
from matplotlib import pyplot as plt
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from moonnet import KerasMoonClassifier
from moonnet.plotting import DecisionRegionDisplay
from moonnet.preprocessing import DateEncoder


def make_csv(n_rows, seed):
    """Return a CSV file of deliveries as text."""
    rng = np.random.default_rng(seed)
    lines = ["order;carrier;sent;km;kg;arrived"]
    for order in range(n_rows):
        carrier = rng.choice(["bike", "van", "rail"])
        day, km, kg = rng.integers(365), rng.gamma(4, 20), rng.gamma(2, 3)
        effort = {"bike": km + 12 * kg, "van": km, "rail": km / 2 + kg}[carrier]
        late = effort + 0.1 * day + rng.normal(0, 8) > 105
        sent = f"{date(2025, 1, 1) + timedelta(int(day)):%d.%m.%Y}"
        weight = "" if rng.random() < 0.1 else f"{kg:.1f}".replace(".", ",")
        cells = [f"A{order:04}", carrier, sent, f"{km:.0f}", weight]
        lines.append(";".join([*cells, "late" if late else "in time"]))
    return "\n".join(lines)


file = make_csv(900, seed=0)
print("\n".join(file.splitlines()[:5]))

# %%
# The pipeline selects its columns by name, and drops the order number. A
# missing weight is replaced by the median, with an indicator column. The
# carrier is one-hot encoded, and the date becomes a number of days. An explicit
# format ensures that 03.04.2025 is the same day in every file.

imputer = SimpleImputer(strategy="median", add_indicator=True)
number = [imputer, StandardScaler()]
category = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=3)
columns = ColumnTransformer(
    [
        ("number", make_pipeline(*number), ["km", "kg"]),
        ("category", category, ["carrier"]),
        ("date", make_pipeline(DateEncoder("%d.%m.%Y"), *number), ["sent"]),
    ]
)
network = KerasMoonClassifier(random_state=0)
model = Pipeline([("columns", columns), ("network", network)])

table = pd.read_csv(io.StringIO(file), sep=";", decimal=",")
X, y = table.drop(columns="arrived"), table["arrived"]
X_train, X_test, y_train, y_test = train_test_split(
    X, y, stratify=y, random_state=0
)
model.fit(X_train, y_train)
print(f"accuracy on held-out deliveries: {model.score(X_test, y_test):.2f}")

# %%
# The figure shows the decision regions over two numeric columns, with one panel
# per carrier, and the held-out deliveries. Weight delays deliveries by bike,
# and hardly affects those by rail.

figure, axes = plt.subplots(
    1, 3, figsize=(10, 3.6), layout="constrained", sharey=True
)
for ax, carrier in zip(axes, ["bike", "van", "rail"], strict=True):
    rows = X_test["carrier"] == carrier
    DecisionRegionDisplay.from_estimator(
        model,
        X_test[rows].drop(columns="order"),
        y_test[rows],
        features=["km", "kg"],
        held={"carrier": carrier},
        xlim=(0, 220),
        ylim=(0, 22),
        errors_kw=False,
        legend_kw={} if ax is axes[-1] else False,
        ax=ax,
    )
    ax.set_title(carrier)
    ax.label_outer()

# %%
# skops saves the whole pipeline without code, and loads only trusted types. The
# pipeline accepts other files with additional columns, in another order, with
# missing values, and with a carrier that is not in the training data.

saved = skops.io.dumps(model)
untrusted = skops.io.get_untrusted_types(data=saved)
print(untrusted)
loaded = skops.io.loads(saved, trusted=untrusted)

new = pd.read_csv(io.StringIO(make_csv(6, seed=2)), sep=";", decimal=",")
new.loc[0, "carrier"] = "drone"
late = loaded.predict_proba(new)[:, list(loaded.classes_).index("late")]
predicted = new.assign(prediction=loaded.predict(new), p_late=late.round(2))
print(predicted.drop(columns="arrived").to_string(index=False))
