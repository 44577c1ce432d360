"""A config file: TOML text in, a frozen `Config` out, or every problem at once. Knows no runtime and runs nothing."""

from parity.config.loading import LoadedConfig, PromptAs, SettingsOf, load_config, test_spec
from parity.config.schema import (
    BoundGate,
    Config,
    ConsistencyGate,
    Gate,
    ModelConfig,
    NoFailedTrialsGate,
    RatioGate,
    RoundsConfig,
    RuntimeConfig,
    TestConfig,
    When,
)

__all__ = [
    "BoundGate",
    "Config",
    "ConsistencyGate",
    "Gate",
    "LoadedConfig",
    "ModelConfig",
    "NoFailedTrialsGate",
    "PromptAs",
    "RatioGate",
    "RoundsConfig",
    "RuntimeConfig",
    "SettingsOf",
    "TestConfig",
    "When",
    "load_config",
    "test_spec",
]
