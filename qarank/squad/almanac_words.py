"""The almanac's words: invented names, and what a fact of each type can say.

A measure is (lowest, highest, step, pattern); a choice is a tuple of ready answers.
"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PLACE_HEADS = _words(
    """Tarn Oss Vel Bram Hol Mer Quin Sel Thorn Dun Fen Gar Kest Lor Nor Pel Rav Sor Ulv Yar
    Brack Cald Esk Harl Ister Mal Oak Pend Rusk Stel Tal Umber Wen Ard Bel Cor"""
)
PLACE_TAILS = _words(
    "wick ford mere holm ley stead dale ham well combe rick by moor haven gate brook"
)
FIRST_NAMES = _words(
    """Mara Oswin Tobin Ilsa Corin Hedda Jory Petra Anselm Bettany Caspar Dorrit Edric Fenna
    Gideon Hester Ivo Jessamy Kitto Linnet Morwen Nils Odile Perrin Rosalin Silas Tamsin Ulric
    Verity Wilmot Ysolde Abel Brida Conrad Delphine Emeric Flora Godwin Hanna Isidor Judith
    Lambert Maud Nestor Orla Piers Ruth Sabine Theo Una Viola Walter"""
)
LAST_NAMES = _words(
    """Quill Ashdown Barrow Clove Drewe Ember Farrow Gosling Hallam Inchbald Jarrow Kettle Larkin
    Mossop Nettle Orchard Pike Quarrel Rook Sparrow Thistle Underhill Vane Whitlock Yarrow Amory
    Birch Cray Dunmore Elder Fenwick Grist Hobb Ivory Jessop Kell Lovage Marl Nightingale Oakes
    Pellow Rudd Starling Tolliver Upcott Varley Wren Yelland Bellamy Catchpole Dobbin Fairweather
    Garland Hawthorn Lantry Merrow Peverell Rainbird Sallow Tregear"""
)
ROLES = _words(
    """mason surveyor notary baker gardener sexton sailor weaver poet doctor grocer
    carpenter magistrate printer engineer brewer painter merchant judge"""
)
TOWN_LEADS = ("the village of ", "the port of ", "the market town of ")

COUNTS = _words(
    """three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    eighteen twenty"""
)
CHOICES: dict[str, tuple[str, ...]] = {
    "count": COUNTS,
    "material": (
        "black slate", "red brick", "pale limestone", "grey granite", "green oak", "tarred pine",
        "white marble", "cast iron", "yellow sandstone", "river clay", "blue flint", "elm planks",
    ),
    "colour": (
        "sea green", "dark red", "pale yellow", "sky blue", "chalk white", "deep orange",
        "bottle green", "dusky pink", "midnight blue", "coal black", "silver grey", "plum purple",
    ),
    "fuel": (
        "whale oil", "seal oil", "beeswax candles", "paraffin", "acetylene gas", "olive oil",
        "coal", "driftwood",
    ),
    "grain": ("rye", "barley", "oats", "spelt", "buckwheat", "mustard seed", "millet", "flax"),
    "dish": (
        "eel pie", "plum dumplings", "smoked trout", "onion soup", "honey cake", "roast goose",
        "barley broth", "pickled herring", "chestnut bread", "nettle cheese",
    ),
    "animal": (
        "hare", "heron", "badger", "stag", "otter", "owl", "swan", "fox", "salmon", "raven",
    ),
    "fruit": (
        "quinces", "russet apples", "damsons", "perry pears", "mulberries", "sour cherries",
        "medlars", "greengages", "apricots", "walnuts",
    ),
    "month": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "subject": (
        "beekeeping", "whale songs", "the tides", "church bells", "cloud shapes", "knots",
        "mountain weather", "the care of horses", "wild mushrooms", "the moons of Jupiter",
    ),
    "prize": (
        "a silver thimble", "a live goose", "a barrel of cider", "a brass whistle",
        "a painted drum", "a wreath of hops", "a new pair of boots", "a copper kettle",
    ),
    "find": (
        "a frozen waterfall", "a ruined chapel", "a warm spring", "a field of blue poppies",
        "a lake without fish", "a cave of bats", "a forest of stone trees", "an empty harbour",
    ),
    "beast": ("mules", "ponies", "camels", "sledge dogs", "yaks", "oxen", "reindeer", "donkeys"),
}  # fmt: skip
MEASURES: dict[str, tuple[int, int, int, str]] = {
    "metres": (8, 96, 1, "{} metres"),
    "kilometres": (3, 48, 1, "{} kilometres"),
    "journey": (150, 2400, 10, "{:,} kilometres"),
    "crowns": (1200, 9800, 50, "{:,} crowns"),
    "pence": (2, 40, 1, "{} pence"),
    "minutes": (6, 75, 1, "{} minutes"),
    "hectares": (3, 60, 1, "{} hectares"),
    "kilograms": (40, 900, 10, "{} kilograms"),
    "many": (110, 4900, 10, "{:,}"),
}
ASIDES = (
    "On long evenings the talk in the taverns turns to one or the other.",
    "Old people in the district still argue about which of the two is the finer.",
    "Neither has ever been forgotten in the songs of the place.",
    "Visitors are often told the two stories in one breath.",
    "The parish records, though stained by damp, agree on this much.",
    "Little else is written down, and the rest must be guessed.",
    "Schoolchildren learn the story of both by heart.",
    "Some of this may be gossip, but the town clerk vouches for it.",
)
