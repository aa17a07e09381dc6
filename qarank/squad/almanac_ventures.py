"""The almanac's templates for things that people run or grow, and for libraries.

One line is one template; the format is told in almanac_buildings.
"""

VENTURES = """
kind: ferry
name: the {w} Ferry
title: Ferries of the {w} country
scene: Two ferries carry the people of {w} over the water.
scene: At {w} there is no bridge, only {x} and {y}.
scene: The tide at {w} is strong, and the ferrymen are proud of it.
uses: patron opener artist repairer colour
captain: person
= The first captain of {x} was {v}.
= {V} steered {x} for a quarter of a century.
= {X} was steered by {v}, who never learned to swim.
? Who was the captain of {x}?
? Who steered {x}?
< Which {n} was steered by {v}?
shipwright: person
= {V} built the hull of {x}.
= {X} was built in the boatyard of {v}.
= The shipwright behind {x} was {v}.
? Who built {x}?
? Who was the shipwright of {x}?
< Which {n} did {v} build?
launched: year
= {X} was launched in {v}.
= {X} first crossed the water in {v}.
= The launch of {x} took place in {v}.
? When was {x} launched?
? In what year did {x} first cross the water?
< Which {n} was launched in {v}?
uses: damaged
retired: year
= {X} made its last crossing in {v}.
= The service of {x} ended in {v}.
? When did {x} make its last crossing?
? In what year did the service of {x} end?
< Which {n} stopped running in {v}?
fare: pence
= A passage on {x} costs {v}.
= The fare on {x} is {v}, dogs included.
? How much is the fare on {x}?
? What does a passage on {x} cost?
time: minutes
= {X} needs {v} for the crossing.
= A crossing with {x} takes {v}.
? How long does a crossing with {x} take?
? How much time does {x} need to cross the water?
landing: town
= {X} lands its passengers at {v}.
= The far landing of {x} is at {v}.
? Where does {x} land?
? At which place does {x} set down its passengers?

kind: clock
name: the {w} Clock
title: Public clocks of the {w} country
scene: The town of {w} has two public clocks, and they rarely agree.
scene: Nobody in {w} has an excuse to be late.
scene: Market days in {w} are ruled by {x} and {y}.
uses: patron repairer artist cost colour
maker: person
= {X} is the work of {v}, who made every wheel by hand.
= {V} made {x}.
= The clockmaker who built {x} was {v}.
? Who made {x}?
? Who was the clockmaker of {x}?
< Which {n} did {v} make?
winder: person
= {V} was the first to wind {x} each morning.
= {X} was wound every morning by {v}.
? Who wound {x}?
? Whose task was the winding of {x}?
< Which {n} was wound by {v}?
installed: year
= {X} was installed in {v}.
= {X} has looked down on the square since {v}.
= The installation of {x} took place in {v}.
? When was {x} installed?
? In what year was {x} put up?
< Which {n} was installed in {v}?
stopped: year
= {X} stopped during the frost of {v}.
= In {v} the hands of {x} froze and stood still.
? When did {x} stop?
? In what year did {x} stand still?
< Which {n} stopped in {v}?
restarted: year
= {X} ran again in {v}.
= Only in {v} did {x} start to tick again.
? When did {x} run again?
? In what year did {x} start to tick again?
< Which {n} started to tick again in {v}?
bell: kilograms
= The bell of {x} weighs {v}.
= {X} strikes the hours on a bell of {v}.
? How heavy is the bell of {x}?
? What is the weight of the bell of {x}?
foundry: town
= The bell of {x} was cast at {v}.
= {X} has a bell from the foundry at {v}.
? Where was the bell of {x} cast?
? From which town does the bell of {x} come?
figure: animal
= On the hour a carved {v} appears above {x}.
= {X} is crowned by a gilded {v}.
? Which animal appears above {x}?
? What animal decorates {x}?

kind: orchard
name: {w} Orchard
title: Orchards of the {w} country
scene: The slopes around {w} are famous for two orchards.
scene: In spring the whole of {w} smells of blossom.
scene: Bees fly freely between {x} and {y}, on the slopes of {w}.
uses: patron artist
planter: person
= {V} planted the first trees of {x}.
= {X} was planted by {v}, row by row.
? Who planted {x}?
? Who put the first trees of {x} in the ground?
< Which {n} did {v} plant?
owner: person
= {X} now belongs to {v}.
= {V} is the present owner of {x}.
? Who owns {x}?
? To whom does {x} belong today?
< Which {n} belongs to {v}?
beekeeper: person
= The bees of {x} were kept by {v}.
= {V} looked after the hives at {x}.
? Who kept the bees of {x}?
? Who looked after the hives of {x}?
< At which {n} did {v} keep bees?
planted: year
= {X} was planted in {v}.
= The oldest trees of {x} date from {v}.
? When was {x} planted?
? From what year are the oldest trees of {x}?
< Which {n} was planted in {v}?
uses: damaged
sold: year
= {X} changed hands in {v}.
= In {v} the heirs sold {x}.
? When was {x} sold?
? In what year did {x} change hands?
< Which {n} was sold in {v}?
fruit: fruit
= {X} grows mostly {v}.
= Most of the trees of {x} bear {v}.
= {X} is known for its {v}.
? What grows in {x}?
? Which fruit do the trees of {x} bear?
trees: many
= {X} counts {v} trees.
= There are {v} trees in {x}.
? How many trees are there in {x}?
? How many trees does {x} count?
area: hectares
= {X} covers {v}.
= The land of {x} measures {v}.
? How large is {x}?
? What area does {x} cover?
market: town
= The harvest of {x} is sold at {v}.
= {X} sends its baskets to the market at {v}.
? Where is the harvest of {x} sold?
? To which market does {x} send its fruit?
harvest: month
= Picking at {x} begins in {v}.
= {X} is ready for the pickers in {v}.
? In which month does picking at {x} begin?
? When in the year is {x} ready for the pickers?

kind: library
name: the {w} Library
title: Libraries of the {w} country
scene: The people of {w} are great readers.
scene: Two reading rooms compete for the readers of {w}, {x} and {y}.
scene: In {w} a rainy afternoon is spent among books.
uses: designer patron opener begun opened damaged repaired material colour cost
librarian: person
= The first librarian of {x} was {v}.
= {V} shelved the first books of {x} and guarded them for years.
= {X} was ruled in silence by {v}, its librarian.
? Who was the librarian of {x}?
? Who guarded the books of {x}?
< Which {n} had {v} as its librarian?
books: many
= {X} holds {v} books.
= On the shelves of {x} there are {v} books.
? How many books does {x} hold?
? How large is the collection of {x}?
treasure: subject
= The oldest book in {x} is about {v}.
= {X} is proudest of an old book on {v}.
? What is the oldest book in {x} about?
? What is the subject of the most treasured book of {x}?
closed: day
= {X} is closed on {v}.
= On {v} nobody may enter {x}.
? On which day is {x} closed?
? On what day of the week can nobody visit {x}?
"""
