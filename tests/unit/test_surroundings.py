"""What a bundle says of its machine, as a document."""

from ci_itest.model.recording import Surroundings
from ci_itest.model.settings import AppSettings, PrepareSettings, Seconds, ServiceSettings, SuiteSettings
from ci_itest.wire import decode_document, encode_document


def test_settings_with_services_and_times_come_back_as_they_were() -> None:
    settings = SuiteSettings(
        workers=3,
        case_timeout=Seconds(2.5),
        services={"db": ServiceSettings(image="postgres:16")},
        environment={"URL": "{db.url}"},
        prepare=(PrepareSettings(run="migrate"),),
        app=AppSettings(run="serve"),
    )
    surroundings = Surroundings(settings, variables=("HOME", "URL"), versions=(("pytest", "8.3"),), hash_seed="7")

    assert decode_document(encode_document(surroundings), Surroundings, source="it") == surroundings
