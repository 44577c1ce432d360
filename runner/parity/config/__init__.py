"""A config file: TOML text in, a frozen `Config` out, or every problem at once. Knows no runtime and runs nothing."""

from parity.config.loading import LoadedConfig, PromptAs, SettingsOf, load_config, test_spec
from parity.config.schema import (
    Config,
    ModelConfig,
    RoundsConfig,
    RuntimeConfig,
    TestConfig,
)

__all__ = [
    "Config",
    "LoadedConfig",
    "ModelConfig",
    "PromptAs",
    "RoundsConfig",
    "RuntimeConfig",
    "SettingsOf",
    "TestConfig",
    "load_config",
    "test_spec",
]
