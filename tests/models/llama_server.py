"""llama.cpp's HTTP server with SmolLM2, a process of its own on 127.0.0.1; prints its address."""

import threading

import xllamacpp

from spex.models.transformers.checkpoints.smollm2 import find_gguf


def main():
    params = xllamacpp.CommonParams()
    params.model.path = str(find_gguf())
    params.model_alias = {"smollm2"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    # As llama-server does by default: four slots with one cache.
    params.n_parallel = 4
    params.kv_unified = True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.verbosity = -1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
