"""A config file: TOML text in, a frozen `Config` out, or every problem at once. Knows no runtime and runs nothing."""

from parity.config.choices import Choices, Extension
from parity.config.gates_file import with_gates_of
from parity.config.loading import LoadedConfig, PromptAs, SettingsOf, load_config, test_spec
from parity.config.schema import (
    Config,
    ModelConfig,
    RoundsConfig,
    RuntimeConfig,
    TestConfig,
)

__all__ = [
    "Choices",
    "Config",
    "Extension",
    "LoadedConfig",
    "ModelConfig",
    "PromptAs",
    "RoundsConfig",
    "RuntimeConfig",
    "SettingsOf",
    "TestConfig",
    "load_config",
    "test_spec",
    "with_gates_of",
]
