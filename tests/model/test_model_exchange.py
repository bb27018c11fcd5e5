"""Models of transformers read here, and ours read by transformers: the logits are equal."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from gptkit.errors import GptkitError
from gptkit.model import folder as folder_module
from gptkit.model.config import Mixture, ModelConfig, RopeScaling
from gptkit.model.exchange.gpt_oss import GPT_OSS
from gptkit.model.exchange.llama import LLAMA
from gptkit.model.exchange.mixtral import MIXTRAL
from gptkit.model.exchange.openai_gpt import OPENAI_GPT
from gptkit.model.exchange.own import OWN
from gptkit.model.folder import form_of, load_model, read_config, save_model
from gptkit.model.presets import PRESETS
from gptkit.model.transformer import Transformer

transformers = pytest.importorskip("transformers")
VOCABULARY = 258
GPT2 = {"vocab_size": VOCABULARY, "n_positions": 40, "n_embd": 24, "n_layer": 2, "n_head": 3}
SIZES = {
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
GPT_OSS_SIZES = {
    "num_key_value_heads": 2,
    "head_dim": 8,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "sliding_window": 5,
}
THEIRS = {
    "gpt2": ("GPT2", GPT2),
    "gpt2-inner": ("GPT2", {**GPT2, "n_inner": 30, "activation_function": "gelu", "layer_norm_epsilon": 1e-3}),
    "gpt1": ("OpenAIGPT", GPT2),
    "gpt1-epsilon": ("OpenAIGPT", {**GPT2, "n_head": 2, "layer_norm_epsilon": 1e-2, "resid_pdrop": 0.0}),
    "llama": ("Llama", SIZES),
    "llama-gqa-tied": ("Llama", {**SIZES, "num_key_value_heads": 2, "tie_word_embeddings": True}),
    "llama-mqa-head": ("Llama", {**SIZES, "num_key_value_heads": 1, "head_dim": 10, "rms_norm_eps": 1e-2}),
    "llama-biases": ("Llama", {**SIZES, "num_key_value_heads": 3, "attention_bias": True, "mlp_bias": True}),
    "llama-theta": ("Llama", {**SIZES, "rope_parameters": {"rope_type": "default", "rope_theta": 100.0}}),
    "llama3": ("Llama", {**SIZES, "head_dim": 16, "rope_parameters": {**LLAMA3, "rope_theta": 500.0}}),
    "llama-yarn": ("Llama", {**SIZES, "head_dim": 16, "rope_parameters": {**YARN, "rope_theta": 500.0}}),
    "mixtral": ("Mixtral", {**SIZES, "num_key_value_heads": 2, "num_local_experts": 5, "num_experts_per_tok": 2}),
    "mixtral-window": (
        "Mixtral",
        {**SIZES, "num_key_value_heads": 3, "num_local_experts": 2, "num_experts_per_tok": 1, "sliding_window": 7},
    ),
    "mixtral-tied": (
        "Mixtral",
        {**SIZES, "num_key_value_heads": 6, "head_dim": 8, "num_local_experts": 3, "tie_word_embeddings": True},
    ),
    "gpt-oss": ("GptOss", {**SIZES, **GPT_OSS_SIZES}),
    "gpt-oss-dense": (
        "GptOss",
        {**SIZES, **GPT_OSS_SIZES, "layer_types": ["full_attention"] * 2, "rope_parameters": {"rope_type": "default"}},
    ),
    "gpt-oss-yarn": (
        "GptOss",
        {**SIZES, **GPT_OSS_SIZES, "rope_parameters": {**YARN, "truncate": False}, "tie_word_embeddings": True},
    ),
}
ROPE = ModelConfig(
    VOCABULARY, 48, 2, 4, 24, positions="rope", norm="rms", activation="swiglu", bias=False, mlp_width=40
)


def of(config, **values):
    return ModelConfig(**{**{field: getattr(config, field) for field in config.__dataclass_fields__}, **values})


YARNED = RopeScaling("yarn", 4.0, 1.0, 32.0, 16, False)
OSS = of(ROPE, activation="clamped_swiglu", sinks=True, bias=True, mixture=Mixture(5, 2), kv_heads=2, tied=False)
OURS = {
    "gpt1": (OPENAI_GPT, ModelConfig(VOCABULARY, 40, 2, 3, 24, norm_first=False)),
    "llama": (LLAMA, ROPE),
    "llama-gqa": (LLAMA, of(ROPE, kv_heads=2, tied=False, rope_theta=300.0, norm_epsilon=1e-3)),
    "llama-bias": (LLAMA, of(ROPE, bias=True, kv_heads=1, head_width=10)),
    "llama3": (LLAMA, of(ROPE, head_width=16, rope_scaling=RopeScaling("llama3", 8.0, 1.0, 4.0, 16))),
    "llama-yarn": (LLAMA, of(ROPE, head_width=16, rope_scaling=YARNED)),
    "mixtral": (MIXTRAL, of(ROPE, kv_heads=2, tied=False, mixture=Mixture(5, 2))),
    "mixtral-window": (MIXTRAL, of(ROPE, attention=("local:7",), mixture=Mixture(3, 1, router_z=0.0))),
    "gpt-oss": (GPT_OSS, of(OSS, attention=("local:7", "dense"))),
    "gpt-oss-other": (GPT_OSS, of(OSS, attention=("dense", "local:3"), tied=True, head_width=10, rope_scaling=YARNED)),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokenizer_path(tmp_path_factory):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({"<|endoftext|>": 0, **{c: i for i, c in enumerate(alphabet, 1)}, "he": 257}, []))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.decoder = decoders.ByteLevel()
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@torch.no_grad()
def stirred(model, seed=0):
    """A model all of whose parameters count, norms and biases too."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def their_model(name):
    kind, shape = THEIRS[name]
    config = getattr(transformers, f"{kind}Config")(**shape)
    classes = {"GPT2": "GPT2LMHeadModel", "OpenAIGPT": "OpenAIGPTLMHeadModel"}
    return stirred(getattr(transformers, classes.get(kind, f"{kind}ForCausalLM"))(config))


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tokenizer_path):
    """Makes the folder of one of THEIRS, once, with the model."""
    known = {}

    def save(name):
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            theirs = their_model(name)
            theirs.save_pretrained(folder)
            shutil.copy(tokenizer_path, folder)
            known[name] = folder, theirs
        return known[name]

    return save


@pytest.fixture
def copied(saved, tmp_path):
    """A copy of such a folder, to be changed."""

    def copy(name):
        folder, theirs = saved(name)
        return shutil.copytree(folder, tmp_path / "copy"), theirs

    return copy


@torch.no_grad()
def assert_equal_logits(ours, theirs, places=40):
    ids = torch.randint(VOCABULARY, (2, places), generator=torch.Generator().manual_seed(0))
    expected = theirs(ids).logits
    assert expected.std() > 0.3  # so that the comparison means something
    torch.testing.assert_close(ours(ids), expected, rtol=0, atol=1e-4)


def change(folder, **values):
    """Sets fields of config.json; takes out those that become ..."""
    value = {**json.loads((folder / "config.json").read_text()), **values}
    (folder / "config.json").write_text(json.dumps({key: each for key, each in value.items() if each is not ...}))


def rewrite(folder, edit):
    """Writes the weights anew as `edit` returns them."""
    tensors = edit(load_file(folder / "model.safetensors"))
    save_file({name: each.contiguous() for name, each in tensors.items()}, folder / "model.safetensors")


@pytest.mark.parametrize("name", THEIRS)
def test_theirs_is_read_with_equal_logits(saved, name):
    folder, theirs = saved(name)
    assert_equal_logits(load_model(folder).model, theirs)


@pytest.mark.parametrize("name", OURS)
def test_ours_is_read_by_transformers_with_equal_logits(tmp_path, tokenizer_path, name):
    form, config = OURS[name]
    assert form_of(config) is form
    ours = stirred(Transformer(config))
    save_model(tmp_path, ours, tokenizer_path)
    theirs, info = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    assert theirs.config.eos_token_id == 0
    assert_equal_logits(ours, theirs.eval())
    assert read_config(tmp_path / "config.json") == (form, config)


@pytest.mark.parametrize("name", THEIRS)
def test_what_was_read_and_written_is_read_by_transformers(saved, tmp_path, name):
    folder, theirs = saved(name)
    loaded = load_model(folder)
    save_model(tmp_path, loaded.model, loaded.tokenizer_path)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert again.state_dict().keys() == theirs.state_dict().keys()
    for key, tensor in theirs.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor), key
    assert_equal_logits(loaded.model, again)


@pytest.mark.parametrize("name", ["llama", "mixtral"])
def test_the_own_form_holds_every_model(saved, tmp_path, name):
    loaded = load_model(saved(name)[0])
    save_model(tmp_path, loaded.model, loaded.tokenizer_path, OWN, special_ids=loaded.special_ids)
    again = load_model(tmp_path)
    assert again.config == loaded.config
    assert again.special_ids == loaded.special_ids == {"bos_token_id": 1, "eos_token_id": 2}
    assert_equal_logits(again.model, saved(name)[1])


@pytest.mark.parametrize("name", [name for name in PRESETS if not name.startswith("gpt4-rumoured")])
def test_a_preset_survives_its_form(name):
    config = PRESETS[name]
    form = form_of(config)
    value = json.loads(json.dumps(form.describe(config, 0)))
    assert form.read(value) == config
    families = {"gpt1": "openai-gpt", "gpt2": "gpt2", "na": "gpt2", "mi": "gpt2", "llama": "llama", "moe": "mixtral"}
    families |= {"gpt-oss": "gpt_oss"}
    expected = next((kind for start, kind in families.items() if name.startswith(start)), "gptkit")
    assert form.model_type == ("mixtral" if name == "mixtral-8x7b" else expected)


# --- older and newer ways to write the same ---


@pytest.mark.parametrize("kind", ["type", "rope_type"])
def test_rope_scaling_as_version_4_wrote_it(copied, kind):
    folder, theirs = copied("llama3")
    scaling = {kind: "llama3", **{key: value for key, value in LLAMA3.items() if key != "rope_type"}}
    change(folder, rope_parameters=..., rope_theta=500.0, rope_scaling=scaling)
    assert_equal_logits(load_model(folder).model, theirs)


def test_theta_as_version_4_wrote_it(copied):
    folder, theirs = copied("llama-theta")
    change(folder, rope_parameters=..., rope_theta=100, rope_scaling=None)
    assert_equal_logits(load_model(folder).model, theirs)


def test_fields_left_out_are_what_transformers_takes(copied):
    folder, theirs = copied("llama")
    change(folder, rope_parameters=..., num_key_value_heads=..., head_dim=..., rms_norm_eps=..., hidden_act=...)
    change(folder, tie_word_embeddings=..., attention_bias=..., mlp_bias=...)
    assert_equal_logits(load_model(folder).model, theirs)


def test_frequencies_and_a_missing_prefix_of_older_llamas(copied):
    folder, theirs = copied("llama-gqa-tied")

    def older(tensors):
        tensors = {name.removeprefix("model."): each for name, each in tensors.items()}
        tensors["layers.0.self_attn.rotary_emb.inv_freq"] = torch.rand(2)
        return {**tensors, "lm_head.weight": tensors["embed_tokens.weight"].clone()}

    rewrite(folder, older)
    assert_equal_logits(load_model(folder).model, theirs)
    rewrite(folder, lambda tensors: {**tensors, "lm_head.weight": tensors["lm_head.weight"] + 1})
    with pytest.raises(GptkitError, match="its head is not its token embedding"):
        load_model(folder)


def test_masks_and_a_missing_prefix_of_older_gpts(copied):
    folder, theirs = copied("gpt1")

    def older(tensors):
        tensors = {name.removeprefix("transformer."): each for name, each in tensors.items()}
        return {**tensors, "h.0.attn.bias": torch.ones(1, 1, 40, 40).bool(), "position_ids": torch.arange(40)}

    rewrite(folder, older)
    assert_equal_logits(load_model(folder).model, theirs)


def stacked(tensors, experts=5):
    """Experts as version 5 of transformers holds them."""
    found = {name: each for name, each in tensors.items() if ".block_sparse_moe." not in name}
    for layer in range(2):
        old, new = f"model.layers.{layer}.block_sparse_moe", f"model.layers.{layer}.mlp"
        w1, w2, w3 = (
            torch.stack([tensors[f"{old}.experts.{e}.{w}.weight"] for e in range(experts)]) for w in ("w1", "w2", "w3")
        )
        found[f"{new}.gate.weight"] = tensors[f"{old}.gate.weight"]
        found[f"{new}.experts.gate_up_proj"] = torch.cat([w1, w3], dim=1)
        found[f"{new}.experts.down_proj"] = w2
    return found


def test_stacked_experts_are_read(copied):
    folder, theirs = copied("mixtral")
    rewrite(folder, stacked)
    assert_equal_logits(load_model(folder).model, theirs)


@pytest.mark.parametrize("name", ["gpt1", "llama", "mixtral"])
def test_weights_in_several_files_both_ways(saved, tmp_path, tokenizer_path, monkeypatch, name):
    theirs = saved(name)[1]
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="30KB")
    shutil.copy(tokenizer_path, tmp_path / "theirs")
    loaded = load_model(tmp_path / "theirs")
    assert_equal_logits(loaded.model, theirs)
    monkeypatch.setattr(folder_module, "PART_BYTES", 20_000)
    save_model(tmp_path / "ours", loaded.model, tokenizer_path)
    assert len(list((tmp_path / "ours").glob("model-*-of-*.safetensors"))) > 2
    assert_equal_logits(load_model(tmp_path / "ours").model, theirs)
    assert_equal_logits(loaded.model, transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours").eval())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_16_bits_both_ways(saved, tmp_path, tokenizer_path, dtype):
    theirs = saved("llama")[1]
    save_model(tmp_path, load_model(saved("llama")[0]).model, tokenizer_path, dtype=dtype)
    assert {each.dtype for each in load_file(tmp_path / "model.safetensors").values()} == {dtype}
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.dtype == dtype
    assert torch.equal(again.lm_head.weight, theirs.lm_head.weight.to(dtype))
    assert_equal_logits(load_model(tmp_path).model, again.float().eval())


def test_numbers_too_large_for_fp16_are_refused(tmp_path, tokenizer_path):
    model = Transformer(ROPE)
    with torch.no_grad():
        model.embedding.weight[3, 3] = 1e5
    with pytest.raises(GptkitError, match=r"embed_tokens.weight holds numbers that are too large for float16"):
        save_model(tmp_path, model, tokenizer_path, dtype=torch.float16)
    assert not any(tmp_path.iterdir())


# --- what is refused ---


def scaled(**values):
    return {"rope_parameters": {**LLAMA3, "rope_theta": 500.0, **values}}


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("gpt1", {"afn": "relu"}, "afn is 'relu', and only 'gelu'"),
        ("gpt1", {"n_positions": ...}, "has no 'n_positions'"),
        ("gpt1", {"n_embd": 25}, "cannot be divided"),
        ("gpt1", {"n_layer": 3}, "h.2.attn.c_attn.bias is missing"),
        ("gpt1", {"layer_norm_epsilon": "small"}, "layer_norm_epsilon is 'small' and must be a number"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act is 'gelu', and only 'silu'"),
        ("llama", {"attention_bias": True}, "only both or neither"),
        ("llama", {"attention_bias": True, "mlp_bias": True}, "bias is missing from the weights"),
        ("llama", {"sliding_window": 7}, "sliding_window is 7"),
        ("llama", {"tie_word_embeddings": True}, "its head is not its token embedding"),
        ("llama", {"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes'"),
        ("llama", {"num_key_value_heads": 4}, "6 heads cannot share 4"),
        ("llama", {"num_key_value_heads": 2}, r"k_proj.weight has shape \[24, 24\] in the weights and \[8, 24\]"),
        ("llama", {"head_dim": 8}, r"k_proj.weight has shape \[24, 24\] in the weights and \[48, 24\]"),
        ("llama", {"head_dim": "wide"}, "head_width is 'wide' and must be a positive whole number"),
        ("llama", {"head_dim": -4}, "head_width is -4"),
        ("llama", {"head_dim": 5}, "cannot be turned in pairs"),
        ("llama", {"num_attention_heads": 0}, "heads is 0"),
        ("llama", {"hidden_size": [24]}, r"width is \[24\]"),
        ("llama", {"num_hidden_layers": 10**9}, "not those of the 1000000000 layers"),
        ("llama", {"vocab_size": 300}, r"lm_head.weight has shape \[258, 24\]"),
        ("llama", {"vocab_size": 10**30}, "too large to be"),
        ("llama", {"hidden_size": 6 * 10**15}, "by config.json"),
        ("llama", {"head_dim": 10**400}, "too large to be"),
        ("llama", {"max_position_embeddings": 10**12}, "at most 16,777,216"),
        ("llama", {"rms_norm_eps": float("nan")}, "rms_norm_eps is nan and must be a number"),
        ("llama", {"rope_theta": 10**400, "rope_parameters": ...}, "must be a number"),
        ("llama3", scaled(original_max_position_embeddings=8.5), "must be a whole number"),
        ("llama", {"rms_norm_eps": None}, "rms_norm_eps is None and must be a number"),
        ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling is of type 'linear'"),
        ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_scaling is of type 'dynamic'"),
        ("llama", {"rope_scaling": {"factor": 2.0}}, "has factor, which is not supported"),
        ("llama", {"rope_scaling": "twice"}, "rope_scaling is 'twice' and must be an object"),
        ("llama", {"rope_parameters": {"rope_type": "longrope"}}, "rope_parameters is of type 'longrope'"),
        ("llama", {"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "has full_attention"),
        ("llama", {"rope_parameters": {"rope_theta": "big"}}, "rope_theta is 'big'"),
        ("llama", {"rope_parameters": {"rope_theta": -1.0}}, "rope_theta must be above 0"),
        ("llama", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "has partial_rotary_factor"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"),
        ("llama", {"quantization_config": {"quant_method": "awq"}}, "the weights are quantised"),
        ("llama", {"model_type": "mistral"}, "these are supported: gpt2, openai-gpt, llama, mixtral, gpt_oss, gptkit"),
        ("llama", {"model_type": ["llama"]}, "these are supported"),
        ("llama3", scaled(factor=None), "has no 'rope_parameters.factor'"),
        ("llama3", scaled(factor="8"), "factor is '8' and must be a number"),
        ("llama3", scaled(high_freq_factor=0.5), "cannot be scaled"),
        ("llama3", scaled(attention_factor=1.5), "has attention_factor"),
        ("llama-yarn", {"rope_parameters": {**YARN, "mscale": 2.0}}, "has mscale"),
        ("llama-yarn", {"rope_parameters": {**YARN, "truncate": "no"}}, "truncate is 'no' and must be true or false"),
        ("mixtral", {"num_local_experts": 4}, "not those of 4 experts"),
        ("mixtral", {"num_local_experts": 10**9}, "not those of 1000000000 experts"),
        ("mixtral", {"num_local_experts": "many"}, "num_local_experts is 'many'"),
        ("mixtral", {"num_experts_per_tok": 6}, "6 of 5 experts cannot be active"),
        ("mixtral", {"sliding_window": 0}, "sizes are at least 1"),
        ("mixtral", {"sliding_window": "wide"}, "sliding_window is 'wide'"),
        ("mixtral", {"attention_bias": True}, "attention_bias is True"),
        ("gpt-oss", {"swiglu_limit": 5.0}, "swiglu_limit is 5.0"),
        ("gpt-oss", {"attention_bias": False}, "attention_bias is False"),
        ("gpt-oss", {"layer_types": ["chunked_attention"] * 2}, "layer_types are"),
        ("gpt-oss", {"layer_types": ["full_attention"]}, "layer_types names 1 layers, and there are 2"),
        ("gpt-oss", {"sliding_window": None}, "sliding_window is None"),
        ("gpt-oss", {"rope_parameters": ...}, "has no 'rope_scaling'"),
        ("gpt-oss", {"num_local_experts": 10**9}, r"in the weights and \[1000000000, "),
        ("mixtral", {"router_jitter_noise": 0.1}, "router_jitter_noise is 0.1"),
    ],
)
def test_what_cannot_be_built_is_one_clear_line(copied, name, values, reason):
    folder, _ = copied(name)
    change(folder, **values)
    with pytest.raises(GptkitError, match=reason) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def without(part):
    return lambda tensors: {name: each for name, each in tensors.items() if part not in name}


def reshaped(part, change):
    return lambda tensors: {name: change(each) if part in name else each for name, each in tensors.items()}


@pytest.mark.parametrize(
    ("name", "edit", "reason"),
    [
        ("llama", without("lm_head"), "lm_head.weight is missing"),
        ("llama", without("layers.1.self_attn.v_proj"), "v_proj.weight is missing"),
        ("llama", lambda tensors: {**tensors, "score.weight": torch.ones(2)}, "score.weight is too much"),
        ("llama", reshaped("norm", lambda each: each.to(torch.int8)), "is of int8; quantised weights"),
        ("mixtral", without("experts.3.w2"), "experts.3.w2.weight is missing"),
        ("mixtral", without("layers.0.block_sparse_moe.gate"), "not those of 5 experts"),
        ("mixtral", without("layers.1.block_sparse_moe.gate"), "gate.weight is missing"),
        ("mixtral", reshaped("experts.2.w1", lambda each: each[1:]), r"w1.weight has shape \[39, 24\]"),
        ("mixtral", lambda tensors: reshaped("down_proj", lambda each: each[0])(stacked(tensors)), "no stack of 5"),
        ("mixtral", lambda tensors: reshaped("gate_up", lambda each: each[:, 1:])(stacked(tensors)), r"has shape \[39"),
    ],
)
def test_weights_of_another_model_are_one_clear_line(copied, name, edit, reason):
    folder, _ = copied(name)
    rewrite(folder, edit)
    with pytest.raises(GptkitError, match=reason) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("index", [[], {}, {"weight_map": {"a": "../x.safetensors"}}, {"weight_map": {"a": 1}}])
def test_an_index_that_names_no_files_is_refused(copied, index):
    folder, _ = copied("llama")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(GptkitError, match="does not say which files beside it"):
        load_model(folder)


@pytest.mark.parametrize(
    "choices",
    [
        {"attention": ("local:8", "dense")},
        {"qk_norm": True},
        {"sinks": True},
        {"logit_softcap": 3.0},
        {"norm_first": False},
        {"mixture": Mixture(4, 2, capacity=1.0)},
        {"mixture": Mixture(4, 2), "bias": True},
        {"mixture": Mixture(4, 2), "attention": ("fixed:8:2",)},
        {"attention": ("local:8",)},  # which Llama has not
        {"activation": "relu2"},
    ],
)
def test_what_transformers_has_no_form_for_is_written_in_ours(choices):
    config = of(ROPE, **choices)
    assert form_of(config) is OWN
    assert OWN.read(json.loads(json.dumps(OWN.describe(config, 0)))) == config
