"""Where dropout can act, how it is put there, and that nothing is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn
from ultralytics import YOLO
from ultralytics.nn.modules import Conv
from ultralytics.nn.tasks import DetectionModel

from yolo_dropout.errors import SiteError, SpecError
from yolo_dropout.sites import Site, apply_dropout, find_sites, live_rates, set_rate, strip_dropout
from yolo_dropout.training.proof import random_modules

DETECT = "yolo26n.yaml"
pytestmark = pytest.mark.oldest


@pytest.fixture(scope="module")
def built() -> nn.Module:
    torch.manual_seed(0)
    return YOLO(DETECT).model


@pytest.fixture
def net(built: nn.Module) -> Iterator[nn.Module]:
    yield built
    strip_dropout(built)


def layout(net: nn.Module) -> dict[str, type]:
    return {name: type(module) for name, module in net.named_modules()}


def images(side: int = 64) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))


def branches(sites: tuple[Site, ...]) -> list[str]:
    return sorted({site.branch for site in sites})


def test_head_sites_are_the_last_convs_of_both_twins_of_every_branch(net: nn.Module) -> None:
    names = [site.name for site in find_sites(net)]
    assert names == [
        *(f"model.23.cv2.{i}.1" for i in range(3)),
        *(f"model.23.cv3.{i}.1.1" for i in range(3)),
        *(f"model.23.one2one_cv2.{i}.1" for i in range(3)),
        *(f"model.23.one2one_cv3.{i}.1.1" for i in range(3)),
    ]


def test_a_site_tells_branch_kind_and_channels(net: nn.Module) -> None:
    assert find_sites(net)[0] == Site("model.23.cv2.0.1", "dropout2d", "box", 16, before_norm=False)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("head", ["box", "cls"]),
        ("head.cls", ["cls"]),
        ("head.box", ["box"]),
        ("neck", ["neck"]),
        ("backbone", ["backbone"]),
    ],
)
def test_a_place_selects_its_branches(net: nn.Module, where: str, expected: list[str]) -> None:
    assert branches(find_sites(net, where)) == expected


def test_a_regular_expression_selects_convs_by_name(net: nn.Module) -> None:
    assert [s.name for s in find_sites(net, r"cv3\.[01]\.1\.1$")] == [
        f"model.23.{twin}cv3.{i}.1.1" for twin in ("", "one2one_") for i in (0, 1)
    ]


def test_sites_in_neck_and_backbone_lie_before_a_batchnorm(net: nn.Module) -> None:
    assert all(site.before_norm for where in ("neck", "backbone") for site in find_sites(net, where))


def test_a_conv_in_the_middle_of_a_head_branch_lies_before_a_batchnorm(net: nn.Module) -> None:
    sites = find_sites(net, r"23\.cv2\.0\.")
    assert [(site.name, site.before_norm) for site in sites] == [
        ("model.23.cv2.0.0", True),
        ("model.23.cv2.0.1", False),
    ]


def test_drop_path_takes_only_blocks_with_a_skip_connection(net: nn.Module) -> None:
    def skips(name: str) -> bool:
        block = name.rpartition(".")[0]
        return getattr(net.get_submodule(block), "add", None) or (bool(block) and skips(block))

    assert all(skips(site.name) for site in find_sites(net, "backbone", "drop_path"))


@pytest.mark.parametrize(
    ("model", "where", "kind", "message"),
    [
        (DETECT, "head", "drop_path", "drop_path needs residual blocks"),
        (DETECT, "head.mask", "auto", "no site for where='head.mask'"),
        (DETECT, "haed", "auto", "no Conv or Dropout has a name that this regular expression matches"),
        ("yolo26n-cls.yaml", "neck", "auto", "no site for where='neck'"),
        ("yolov3-tiny.yaml", "backbone", "drop_path", "drop_path needs residual blocks"),
    ],
)
def test_a_place_without_sites_is_refused(model: str, where: str, kind: str, message: str) -> None:
    with pytest.raises(SiteError, match=message.replace("'", ".")) as error:
        find_sites(YOLO(model), where, kind)
    assert "\n" not in str(error.value)


def test_an_expression_that_searches_without_end_is_given_up(net: nn.Module) -> None:
    with pytest.raises(SpecError, match=r"^where: '\(\.\+\)\+!' takes too long on names of modules; write it without"):
        find_sites(net, "(.+)+!")


def test_an_unknown_kind_is_refused(net: nn.Module) -> None:
    with pytest.raises(SpecError, match=r"^kind: "):
        find_sites(net, kind="spatial")


def test_a_network_that_is_not_of_ultralytics_is_refused() -> None:
    with pytest.raises(SiteError, match=r"must be an Ultralytics network"):
        find_sites(nn.Sequential(nn.Conv2d(3, 3, 1)))


def test_an_activation_with_weights_is_refused(built: nn.Module) -> None:
    net = deepcopy(built)
    for module in net.modules():
        if isinstance(module, Conv):
            module.act = nn.PReLU()
    with pytest.raises(SiteError, match=r"the activation of model\.23\.cv2\.0\.1 has weights \(PReLU\)"):
        apply_dropout(net, 0.1)


@pytest.mark.parametrize("where", ["head", "neck", "backbone", "head.cls"])
@pytest.mark.parametrize("kind", ["auto", "dropout", "dropout2d", "dropblock"])
def test_every_kind_acts_at_every_site_of_every_place(net: nn.Module, where: str, kind: str) -> None:
    sites = apply_dropout(net, 0.5, where, kind)
    names = {site.name for site in sites}
    assert random_modules(net, names) == names


@pytest.mark.parametrize("where", ["neck", "backbone"])
def test_drop_path_acts_at_every_site(net: nn.Module, where: str) -> None:
    names = {site.name for site in apply_dropout(net, 0.5, where, "drop_path")}
    assert random_modules(net, names) == names


def test_drop_path_drops_a_residual_branch_for_a_whole_sample(net: nn.Module) -> None:
    site = apply_dropout(net, 0.5, "backbone", "drop_path")[0]
    conv = net.get_submodule(site.name).train()
    x = torch.rand(64, conv.conv.in_channels, 4, 4)
    torch.manual_seed(0)
    with torch.no_grad():
        kept = conv(x).flatten(1).abs().amax(1) > 0
    assert 16 < int(kept.sum()) < 48


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("other", [1, 2, 7])
def test_dropblock_works_on_every_map_size(side: int, other: int) -> None:
    from yolo_dropout.sites.acting import DropBlock

    block = DropBlock(0.5).train()
    torch.manual_seed(0)
    x = torch.ones(64, 4, side, other)
    y = block(x)
    assert y.shape == x.shape
    assert 0 < int((y == 0).sum()) < x.numel()


def test_dropping_follows_the_rate(net: nn.Module) -> None:
    site = apply_dropout(net, 0.25, "head.cls")[0]
    conv = net.get_submodule(site.name).train()
    torch.manual_seed(0)
    with torch.no_grad():
        y = conv(torch.rand(50, conv.conv.in_channels, 2, 2))
    dropped = (y.flatten(2) == 0).all(2).float().mean().item()
    assert dropped == pytest.approx(0.25, abs=0.03)


def test_state_dict_keys_and_values_stay(net: nn.Module) -> None:
    before = {key: value.clone() for key, value in net.state_dict().items()}
    for where in ("head", "neck", "backbone"):
        apply_dropout(net, 0.3, where)
        after = net.state_dict()
        assert list(after) == list(before)
        assert all(torch.equal(after[key], before[key]) for key in before)


def test_evaluation_is_not_changed(net: nn.Module) -> None:
    net.eval()
    with torch.no_grad():
        before = net(images())[0]
        apply_dropout(net, 0.5)
        after = net(images())[0]
    assert torch.equal(before, after)


def test_stripping_gives_back_the_very_modules(net: nn.Module) -> None:
    before = dict(net.named_modules())
    apply_dropout(net, 0.3, "backbone")
    strip_dropout(net)
    after = dict(net.named_modules())
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


def test_the_activation_that_all_convs_share_is_not_touched(net: nn.Module) -> None:
    before = dict(vars(Conv.default_act))
    apply_dropout(net, 0.3)
    assert type(Conv.default_act) is nn.SiLU
    assert vars(Conv.default_act) == before | {"training": Conv.default_act.training}


def test_applying_twice_is_applying_once(net: nn.Module) -> None:
    once = apply_dropout(net, 0.3)
    shape = layout(net)
    assert apply_dropout(net, 0.2) == once
    assert layout(net) == shape
    assert set(live_rates(net, once).values()) == {0.2}


def test_applying_elsewhere_takes_the_first_place_out(net: nn.Module) -> None:
    head = apply_dropout(net, 0.3, "head.cls")
    apply_dropout(net, 0.3, "head.box", "dropout")
    assert not random_modules(net, {site.name for site in head})


def test_rate_zero_takes_dropout_out(net: nn.Module) -> None:
    before = layout(net)
    apply_dropout(net, 0.3)
    assert apply_dropout(net, 0.0) == ()
    assert layout(net) == before


def test_set_rate_changes_what_live_rates_reads(net: nn.Module) -> None:
    sites = apply_dropout(net, 0.3)
    set_rate(net, sites, 0.07)
    assert live_rates(net, sites) == dict.fromkeys([site.name for site in sites], 0.07)


def test_no_dropout_module_works_in_place_after_a_checkpoint_was_loaded(net: nn.Module) -> None:
    sites = apply_dropout(net, 0.3)
    assert not any(net.get_submodule(site.name).act[1].inplace for site in sites)


def test_a_yolo_object_and_its_network_give_the_same_sites() -> None:
    yolo = YOLO(DETECT)
    assert apply_dropout(yolo, 0.1) == find_sites(yolo.model) == find_sites(yolo)


def test_dropout_from_the_yaml_stays_where_ours_is_elsewhere() -> None:
    from ultralytics.nn.tasks import yaml_model_load

    config = yaml_model_load("yolov8n.yaml")
    config["backbone"].append([-1, 1, "nn.Dropout", [0.2]])
    config["head"] = [[_moved(f, 9), *rest] for f, *rest in config["head"]]
    net = DetectionModel(config, ch=3, verbose=False)
    apply_dropout(net, 0.4, "head")
    assert net.model[10].p == 0.2
    sites = apply_dropout(net, 0.4, "backbone")
    assert [site.kind for site in sites if site.name == "model.10"] == ["native"]
    assert net.model[10].p == 0.4
    strip_dropout(net)
    assert net.model[10].p == 0.2


def _moved(source: Any, last: int) -> Any:
    if isinstance(source, list):
        return [_moved(one, last) for one in source]
    return source + 1 if source >= last else source


def test_rtdetr_acts_at_its_own_dropout_and_attention() -> None:
    from ultralytics import RTDETR

    net = RTDETR("rtdetr-resnet50.yaml").model
    sites = apply_dropout(net, 0.1)
    attention = [s for s in sites if isinstance(net.get_submodule(s.name), nn.MultiheadAttention)]
    assert (len(sites), len(attention)) == (30, 6)
    assert {net.get_submodule(s.name).dropout for s in attention} == {0.1}
    strip_dropout(net)
    assert {net.get_submodule(s.name).dropout for s in attention} == {0.0}
    with pytest.raises(SiteError, match=r"dropout2d needs convolutions there"):
        find_sites(net, "head", "dropout2d")


def test_a_classifier_takes_channel_dropout_before_its_linear_layer() -> None:
    sites = find_sites(YOLO("yolo26n-cls.yaml"), kind="dropout2d")
    assert [(s.name, s.channels) for s in sites] == [("model.10.conv", 1280)]


def test_few_channels_and_a_batchnorm_behind_are_told() -> None:
    from yolo_dropout.training import check_model

    warned = {site.branch: site.warnings for site, *_ in check_model("yoloe-26n.yaml")}
    assert warned["box"] == ("only 16 channels, so dropout is coarse",)
    assert warned["cls"][0].startswith("a BatchNorm follows")
