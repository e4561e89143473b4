"""llama-server's flags, as far as the embedded server passes them on, and nothing else."""

from collections.abc import Mapping

from llamaswap.embedded.values import (
    Flag,
    Member,
    Setting,
    choice,
    comma_list,
    file,
    folder,
    layers,
    members,
    number,
    sampling,
    seed,
    switch,
    text,
)

_CACHE_TYPES = members("ggml_type", "f32 f16 bf16 q8_0 q4_0 q4_1 iq4_nl q5_0 q5_1")
_FLASH = {
    "on": Member("llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_ENABLED"),
    "off": Member("llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_DISABLED"),
    "auto": Member("llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_AUTO"),
}
_POOLING = members("llama_pooling_type", "none mean cls last rank")
_RERANK: list[Setting] = [("embedding", True), ("pooling_type", _POOLING["rank"])]
_REASONING = members("common_reasoning_format", "none auto deepseek deepseek-legacy")
_SPLIT = members("llama_split_mode", "none layer row")
_MMAP = members("llama_load_mode", "none mmap")

FLAGS: tuple[Flag, ...] = (
    Flag(("-m", "--model"), "FILE", "model file (GGUF), or smollm2 for the one we fetch", text("model.path")),
    Flag(("-a", "--alias"), "NAMES", "names the server answers under, with commas", comma_list("model_alias", set)),
    Flag(("--host",), "ADDRESS", "address to listen on (127.0.0.1)", lambda word: [("hostnames", [word])]),
    Flag(("--port",), "N", "port to listen on (8080)", number(int, "port")),
    Flag(("--api-key",), "KEYS", "keys clients must show, with commas", comma_list("api_keys")),
    Flag(("--api-prefix",), "PATH", "path in front of every route", text("api_prefix")),
    Flag(("--cors-origins",), "ORIGINS", "web pages that may read answers (localhost)", text("cors_origins")),
    Flag(("-to", "--timeout"), "SECONDS", "read and write time-out", number(int, "timeout_read", "timeout_write")),
    Flag(("--threads-http",), "N", "threads that serve connections", number(int, "n_threads_http")),
    Flag(("-c", "--ctx-size"), "N", "context in tokens, all slots together (0: the model's own)", number(int, "n_ctx")),
    Flag(("-n", "--predict", "--n-predict"), "N", "most tokens of one answer (-1: no limit)", number(int, "n_predict")),
    Flag(("--keep",), "N", "tokens of the prompt kept when the context is shifted", number(int, "n_keep")),
    Flag(("-b", "--batch-size"), "N", "logical batch", number(int, "n_batch")),
    Flag(("-ub", "--ubatch-size"), "N", "physical batch", number(int, "n_ubatch")),
    Flag(("-np", "--parallel"), "N", "slots: requests served at the same time (1)", number(int, "n_parallel")),
    Flag(("-cb", "--cont-batching"), "", "batch requests continuously (default)", switch("cont_batching", True)),
    Flag(("-nocb", "--no-cont-batching"), "", "do not", switch("cont_batching", False)),
    Flag(("-kvu", "--kv-unified"), "", "one cache for all slots", switch("kv_unified", True)),
    Flag(("-t", "--threads"), "N", "threads that generate", number(int, "cpuparams.n_threads")),
    Flag(("-tb", "--threads-batch"), "N", "threads that read prompts", number(int, "cpuparams_batch.n_threads")),
    Flag(("-ngl", "--gpu-layers", "--n-gpu-layers"), "N", "layers on the GPU: a number, auto or all", layers),
    Flag(("-mg", "--main-gpu"), "N", "the GPU to use", number(int, "main_gpu")),
    Flag(("-sm", "--split-mode"), "MODE", "over several GPUs: none, layer, row", choice("split_mode", _SPLIT)),
    Flag(("-fa", "--flash-attn"), "MODE", "on, off or auto", choice("flash_attn_type", _FLASH)),
    Flag(("-ctk", "--cache-type-k"), "TYPE", "type of the cache's keys (f16)", choice("cache_type_k", _CACHE_TYPES)),
    Flag(("-ctv", "--cache-type-v"), "TYPE", "type of the cache's values (f16)", choice("cache_type_v", _CACHE_TYPES)),
    Flag(("-nkvo", "--no-kv-offload"), "", "keep the cache off the GPU", switch("no_kv_offload", True)),
    Flag(("--mmap",), "", "map the model file into memory", switch("load_mode", _MMAP["mmap"])),
    Flag(("--no-mmap",), "", "read it instead", switch("load_mode", _MMAP["none"])),
    Flag(("--warmup",), "", "run the model once before serving (default)", switch("warmup", True)),
    Flag(("--no-warmup",), "", "do not", switch("warmup", False)),
    Flag(("--context-shift",), "", "go on past a full context by dropping its start", switch("ctx_shift", True)),
    Flag(("--no-context-shift",), "", "do not (default)", switch("ctx_shift", False)),
    Flag(("--cache-prompt",), "", "keep prompts between requests (default)", switch("cache_prompt", True)),
    Flag(("--no-cache-prompt",), "", "do not", switch("cache_prompt", False)),
    Flag(("--cache-reuse",), "N", "shortest piece of a kept prompt to reuse", number(int, "n_cache_reuse")),
    Flag(("-cram", "--cache-ram"), "MIB", "memory for kept prompts (8192)", number(int, "cache_ram_mib")),
    Flag(("--embedding", "--embeddings"), "", "serve embeddings", switch("embedding", True)),
    Flag(("--rerank", "--reranking"), "", "serve reranking", lambda _: _RERANK),
    Flag(("--pooling",), "KIND", "none, mean, cls, last, rank", choice("pooling_type", _POOLING)),
    Flag(("--jinja",), "", "use the model's chat template (default)", switch("use_jinja", True)),
    Flag(("--no-jinja",), "", "use built-in templates only", switch("use_jinja", False)),
    Flag(("--chat-template",), "TEMPLATE", "a built-in one by name, or a template", text("chat_template")),
    Flag(("--chat-template-file",), "FILE", "a template in a file", file("chat_template")),
    Flag(("--reasoning-format",), "KIND", "how thoughts are told apart", choice("reasoning_format", _REASONING)),
    Flag(("--mmproj",), "FILE", "projector for images and sound", text("mmproj.path")),
    Flag(("--slots",), "", "serve /slots (default)", switch("endpoint_slots", True)),
    Flag(("--no-slots",), "", "do not", switch("endpoint_slots", False)),
    Flag(("--slot-save-path",), "DIR", "folder for saved slots", folder("slot_save_path")),
    Flag(
        ("-sps", "--slot-prompt-similarity"),
        "X",
        "likeness that picks a slot",
        number(float, "slot_prompt_similarity"),
    ),
    Flag(("--metrics",), "", "serve /metrics", switch("endpoint_metrics", True)),
    Flag(("--props",), "", "allow changes by POST /props", switch("endpoint_props", True)),
    Flag(("--webui", "--ui"), "", "serve llama.cpp's own page (default)", switch("ui", True)),
    Flag(("--no-webui", "--no-ui"), "", "do not", switch("ui", False)),
    Flag(("-s", "--seed"), "N", "seed of the dice (-1: random)", seed),
    Flag(("--temp", "--temperature"), "X", "temperature, when a request gives none", sampling(float, "temp")),
    Flag(("--top-k",), "N", "likewise", sampling(int, "top_k")),
    Flag(("--top-p",), "X", "likewise", sampling(float, "top_p")),
    Flag(("--min-p",), "X", "likewise", sampling(float, "min_p")),
    Flag(("-lv", "--verbosity"), "N", "how much is logged (3)", number(int, "verbosity")),
)
BY_NAME: Mapping[str, Flag] = {name: flag for flag in FLAGS for name in flag.names}
