"""Compile every kernel in advance, for every kind of array that the commands hand it.

Numba compiles a function anew for arrays that may be written to and for those that may not, and for each type of their
numbers. Texts come as both: packed here or by Arrow they may not be written to, joined they may.
"""

import io
import time

import numpy as np

from ai_detect import artifacts, compiled, csv_blocks, kernels
from ai_detect.errors import UsageError
from ai_detect.ngrams import NgramSpec
from ai_detect.predictor import Predictor
from ai_detect.reports import WarmupReport
from ai_detect.text import PackedTexts


def warm_up() -> WarmupReport:
    """Compile what is not compiled yet, and keep it.

    Raises:
        UsageError: this process can write nowhere.
    """
    folder = compiled.folder()
    if not folder:
        raise UsageError(
            "There is nowhere to keep compiled kernels: name a folder that can be written to in NUMBA_CACHE_DIR."
        )
    from scipy.sparse import csr_matrix

    from ai_detect.logistic import DualLogisticRegression

    started = time.perf_counter()
    predictor = Predictor.from_files(artifacts.load(artifacts.SHIPPED))
    spec = NgramSpec((1, 3), (3, 5), n_bits=8)
    packed = PackedTexts.pack(["A few words, in a caf\xe9.", "And more of them."])
    for texts in (packed, PackedTexts.concat([packed])):
        predictor.predict(texts)
        indptr, indices, counts, _ = kernels.count(texts, spec)
    idf, df = np.ones(spec.n_features, np.float32), np.zeros(spec.n_features, np.int64)
    X = csr_matrix((counts, indices, indptr), shape=(len(packed), spec.n_features))
    for integer in (np.int32, np.int64):  # SciPy chooses, by how many n-grams there are
        X.indptr, X.indices = indptr.astype(integer), indices.astype(integer)
        kernels.document_frequencies(X.indptr, X.indices, np.arange(len(packed)), df)
        kernels.weigh(X.indptr, X.indices, X.data, idf, np.int64(1) << spec.n_bits)
        DualLogisticRegression(C=1.0).fit(X, np.arange(len(packed)))
    list(csv_blocks.whole_rows(io.BytesIO(b"text\nA few words.\n"), "-", ","))
    return WarmupReport(str(folder), time.perf_counter() - started)
