import pathlib, time, pytest, json
@pytest.mark.timeout(1800)
def test_hold(recorded):
    pathlib.Path("/tmp/c6/held.json").write_text(json.dumps([recorded.around.bootstrap, recorded.around.registry, recorded.around.prefix, str(recorded.folder), len(recorded.events), len(recorded.reports)]))
    while not pathlib.Path("/tmp/c6/stop").exists(): time.sleep(1)
