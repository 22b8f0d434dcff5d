from splitmodel_studies.page import page


def test_page_has_numbers_verdicts_routes_and_reasons(double):
    text = page(double, double.run())
    assert "It is 2.1 m wide, not 2, by theirs 0.50." in text
    assert "| width of a board | 2 m | 2.1 m | ±10% | ✓ reproduced |" in text
    assert "| ratio (theirs) | 1 | 0.5 | ≥ 1 | ✗ not reproduced, as explained |" in text
    assert "| claim | published | ours | theirs |" in text
    assert "- ratio: 2.1 m off" in text
    assert "$ splitmodel study double" in text
